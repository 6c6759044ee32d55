/*
description: All films with a score of 6.9 or more and all shows with 7.5 or more that at least 10,000 people voted on.
materialization: table
key: [type, rank]
columns:
  rank: Place among the films or among the shows, from 1; ties go by votes, then by title, then by identifier.
*/
SELECT
  type,
  CAST(row_number() OVER (
    PARTITION BY type
    ORDER BY imdb_score DESC, imdb_votes DESC, title ASC NULLS LAST, title_id ASC NULLS LAST
  ) AS INTEGER) AS rank,
  title_id,
  title,
  release_year,
  imdb_score,
  imdb_votes
FROM dim_title
WHERE imdb_votes >= 10000
  AND ((type = 'MOVIE' AND imdb_score >= 6.9) OR (type = 'SHOW' AND imdb_score >= 7.5))
