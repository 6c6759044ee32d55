/*
description: The catalogue's titles, with the columns that the rankings of pipelines/ott read.
materialization: table
key: [title_id]
*/
SELECT title_id, title, type, release_year, runtime_minutes, imdb_score, imdb_votes
FROM titles
