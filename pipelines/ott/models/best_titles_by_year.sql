/*
description: The best film and the best show of each release year, of those that more than 25,000 people voted on.
materialization: table
key: [type, release_year]
*/
WITH ranked AS (
  SELECT
    type,
    release_year,
    title_id,
    title,
    imdb_score,
    imdb_votes,
    row_number() OVER (
      PARTITION BY type, release_year
      ORDER BY imdb_score DESC, imdb_votes DESC, title ASC NULLS LAST, title_id ASC NULLS LAST
    ) AS place
  FROM dim_title
  WHERE imdb_votes > 25000 AND imdb_score IS NOT NULL AND release_year IS NOT NULL
)
SELECT type, release_year, title_id, title, imdb_score, imdb_votes
FROM ranked
WHERE place = 1
