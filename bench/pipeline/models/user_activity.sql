/*
description: Recency and frequency of each user, in fifths.
key: [user_id]
*/
SELECT
  user_id,
  max(watched_on) AS last_watched_on,
  count(*) AS views,
  sum(minutes) AS minutes,
  ntile(5) OVER (ORDER BY max(watched_on), user_id) AS recency,
  ntile(5) OVER (ORDER BY count(*), user_id) AS frequency
FROM fact_watch
GROUP BY user_id
