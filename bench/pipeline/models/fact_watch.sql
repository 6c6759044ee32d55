/*
description: One row per viewing of a known title; the others are rejected.
materialization: partitions
partitionBy: [watched_on]
*/
SELECT
  v.viewing_id,
  v.user_id,
  v.title_id,
  CAST(v.started_at AS DATE) AS watched_on,
  v.minutes,
  t.genre,
  t.imdb_score,
  CASE WHEN t.title_id IS NULL THEN 'unknown_title' END AS _reject
FROM viewings v
LEFT JOIN titles t ON t.title_id = v.title_id
