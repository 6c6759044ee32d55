/*
description: What was watched of each genre on each day. A viewing counts for every genre of its title.
materialization: partitions
partitionBy: [watched_on]
key: [watched_on, genre]
columns:
  average_score: Mean IMDb score of the viewings' titles, each viewing counted.
*/
SELECT
  fact_watch.watched_on,
  title_genre.genre,
  count(*) AS views,
  CAST(sum(fact_watch.minutes_watched) AS DECIMAL(18, 1)) AS minutes,
  count(DISTINCT fact_watch.user_id) AS viewers,
  CAST(sum(dim_title.imdb_score) / count(dim_title.imdb_score) AS DECIMAL(4, 2)) AS average_score
FROM fact_watch
JOIN title_genre ON title_genre.title_id = fact_watch.title_id
JOIN dim_title ON dim_title.title_id = fact_watch.title_id
WHERE fact_watch.built_for = :window_start
GROUP BY fact_watch.watched_on, title_genre.genre
