/*
description: Which genres a title has. One row per title and genre.
materialization: table
key: [title_id, genre]
*/
SELECT DISTINCT
  title_id,
  genre
FROM (SELECT title_id, unnest(genres) AS genre FROM titles) AS listed
