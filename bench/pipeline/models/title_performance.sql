/*
description: How each title does.
key: [title_id]
*/
SELECT title_id, count(*) AS views, sum(minutes) AS minutes, rank() OVER (ORDER BY count(*) DESC, title_id) AS place
FROM fact_watch
GROUP BY title_id
