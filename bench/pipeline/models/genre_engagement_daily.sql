/*
description: Views, minutes and viewers by genre and day.
key: [watched_on, genre]
*/
SELECT watched_on, genre, count(*) AS views, sum(minutes) AS minutes, count(DISTINCT user_id) AS viewers, avg(imdb_score) AS average_score
FROM fact_watch
GROUP BY watched_on, genre
