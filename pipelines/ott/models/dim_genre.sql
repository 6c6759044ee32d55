/*
description: The genres of the catalogue.
materialization: table
key: [genre]
rowsIn: SELECT count(DISTINCT genre) FROM title_genre
*/
SELECT
  genre,
  count(*) AS title_count
FROM title_genre
GROUP BY genre
