/*
description: What can be watched.
materialization: table
key: [title_id]
columns:
  release_year: Year of the first release; NULL where the date is not known.
  imdb_votes: How many people the score is the mean of.
*/
SELECT
  title_id,
  title,
  type,
  runtime_minutes,
  release_date,
  CAST(year(release_date) AS INTEGER) AS release_year,
  date_added,
  imdb_score,
  imdb_votes,
  views,
  lower(language) AS language,
  country
FROM titles
