/*
description: Films with at least fifty ratings, the best first.
key: [movie_id]
columns:
  place: From 1; ties go by the number of ratings, then by the film's number.
  imdb_id: Where the Internet Movie Database has it.
*/
WITH rated AS (
  SELECT movie_id, count(*) AS ratings, CAST(avg(rating) AS DECIMAL(4, 2)) AS mean_rating
  FROM ratings
  GROUP BY movie_id
  HAVING count(*) >= 50
)
SELECT
  CAST(row_number() OVER (ORDER BY rated.mean_rating DESC, rated.ratings DESC, rated.movie_id ASC NULLS LAST) AS INTEGER) AS place,
  rated.movie_id,
  movies.title,
  movies.released_in,
  rated.ratings,
  rated.mean_rating,
  'tt' || links.imdb_id AS imdb_id
FROM rated
JOIN movies ON movies.movie_id = rated.movie_id
JOIN links ON links.movie_id = rated.movie_id
