/*
description: >-
  How each title did on each day on which it was watched, and how that compares with the day before. Made anew for the
  days of fact_watch that are new.
materialization: partitions
partitionBy: [watched_on]
key: [watched_on, title_id]
columns:
  completion: Mean share of the running time that was watched, 0 to 1.
  rank: Place by minutes watched on the day, from 1; ties go by views, then by title, then by identifier.
  previous_rank: The place on the day before; NULL when it was not watched then.
  rank_change: Places gained (positive) or lost against the day before.
*/
WITH renewed AS (
  SELECT DISTINCT watched_on
  FROM fact_watch
  WHERE built_for = :window_start
),
remade AS (
  -- A new day is what the day after is compared with.
  SELECT watched_on FROM renewed
  UNION
  SELECT watched_on + 1 AS watched_on FROM renewed
),
day AS (
  SELECT
    fact_watch.watched_on,
    fact_watch.title_id,
    count(*) AS views,
    count(DISTINCT fact_watch.user_id) AS viewers,
    CAST(sum(fact_watch.minutes_watched) AS DECIMAL(18, 1)) AS minutes,
    CAST(sum(fact_watch.completion) / count(fact_watch.completion) AS DECIMAL(5, 4)) AS completion
  FROM fact_watch
  WHERE fact_watch.watched_on IN (SELECT watched_on FROM remade)
    OR fact_watch.watched_on + 1 IN (SELECT watched_on FROM remade)
  GROUP BY fact_watch.watched_on, fact_watch.title_id
),
ranked AS (
  SELECT
    day.*,
    dim_title.title,
    dim_title.type,
    dim_title.imdb_score,
    CAST(row_number() OVER (
      PARTITION BY day.watched_on
      ORDER BY day.minutes DESC, day.views DESC, dim_title.title ASC NULLS LAST, day.title_id ASC NULLS LAST
    ) AS INTEGER) AS rank
  FROM day
  JOIN dim_title ON dim_title.title_id = day.title_id
)
SELECT
  today.watched_on,
  today.rank,
  today.title_id,
  today.title,
  today.type,
  today.views,
  today.viewers,
  today.minutes,
  today.completion,
  today.imdb_score,
  before.rank AS previous_rank,
  before.rank - today.rank AS rank_change,
  today.views - coalesce(before.views, 0) AS views_change
FROM ranked AS today
LEFT JOIN ranked AS before ON before.title_id = today.title_id AND before.watched_on = today.watched_on - 1
WHERE today.watched_on IN (SELECT watched_on FROM remade)
