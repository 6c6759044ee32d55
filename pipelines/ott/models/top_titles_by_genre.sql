/*
description: The ten best titles of each genre.
materialization: table
key: [genre, rank]
columns:
  rank: Place within the genre, from 1; ties go by votes, then by title, then by identifier.
  weighted_score: >-
    Bayesian average of the IMDb score: a title starts with 10,000 votes for the mean of the catalogue, so that a few
    enthusiastic votes do not put it on top.
*/
WITH scored AS (
  SELECT
    title_id,
    title,
    type,
    imdb_score,
    imdb_votes,
    CAST(
      (imdb_votes * imdb_score + 10000 * (SELECT sum(imdb_score) / count(imdb_score) FROM dim_title)) / (imdb_votes + 10000)
      AS DECIMAL(6, 4)
    ) AS weighted_score
  FROM dim_title
  WHERE imdb_score IS NOT NULL AND imdb_votes IS NOT NULL
),
ranked AS (
  SELECT
    title_genre.genre,
    CAST(row_number() OVER (
      PARTITION BY title_genre.genre
      ORDER BY scored.weighted_score DESC, scored.imdb_votes DESC, scored.title ASC NULLS LAST, scored.title_id ASC NULLS LAST
    ) AS INTEGER) AS rank,
    scored.*
  FROM scored
  JOIN title_genre ON title_genre.title_id = scored.title_id
)
SELECT genre, rank, title_id, title, type, weighted_score, imdb_score, imdb_votes
FROM ranked
WHERE rank <= 10
