/*
description: >-
  Users by how recently and how often they watch and how much they pay (RFM), one row per user and month; the current
  month's rows are made anew each day. An old window that is built again gives what the latest one of its month gave.
materialization: partitions
partitionBy: [month]
key: [month, user_id]
rowsIn: >-
  SELECT count(*) FROM users
  WHERE signed_up_at < timezone('Europe/Berlin', date_trunc('month', timezone('Europe/Berlin', :window_start)) + INTERVAL 1 MONTH)
columns:
  month: The first day of the month that the window lies in.
  recency_days: Days between the last viewing and the end of the day; NULL for a user who never watched.
  frequency: Viewings in the 30 days before the end of the day.
  monetary: Money paid and not paid back in the 90 days before the end of the day.
  recency_score: 5 for less than two days, 4 for less than a week, 3 for two weeks, 2 for 30 days, 1 beyond.
  frequency_score: >-
    1 (never, or seldom) to 5 (often), by the user's place among all users; equals share the middle of their places.
  monetary_score: 1 (nothing, or little) to 5 (much), likewise.
*/
WITH moment AS (
  -- The end of the latest day of the month that has been built.
  SELECT month_end, least(month_end, (SELECT max(window_end) FROM built_window)) AS day_end
  FROM (
    SELECT timezone('Europe/Berlin', date_trunc('month', timezone('Europe/Berlin', :window_start)) + INTERVAL 1 MONTH) AS month_end
  ) AS ends
),
watching AS (
  SELECT
    user_id,
    max(started_at) AS last_started_at,
    count(*) FILTER (WHERE started_at >= moment.day_end - INTERVAL 30 DAY) AS frequency,
    CAST(coalesce(sum(minutes_watched) FILTER (WHERE started_at >= moment.day_end - INTERVAL 30 DAY), 0) AS DECIMAL(18, 1)) AS minutes
  FROM fact_watch
  CROSS JOIN moment
  WHERE started_at < moment.day_end
  GROUP BY user_id
),
paying AS (
  SELECT
    customers.user_id,
    CAST(sum(payments.amount) AS DECIMAL(18, 2)) AS monetary
  FROM payments
  JOIN customers ON customers.customer_id = payments.customer_id
  CROSS JOIN moment
  WHERE payments.status = 'paid'
    AND payments.paid_at >= moment.day_end - INTERVAL 90 DAY
    AND payments.paid_at < moment.day_end
  GROUP BY customers.user_id
),
measured AS (
  SELECT
    users.user_id,
    users.signed_up_at >= moment.day_end - INTERVAL 30 DAY AS is_new,
    CAST(floor(extract(epoch FROM (moment.day_end - watching.last_started_at)) / 86400) AS INTEGER) AS recency_days,
    coalesce(watching.frequency, 0) AS frequency,
    coalesce(watching.minutes, 0) AS minutes,
    coalesce(paying.monetary, 0) AS monetary
  FROM users
  CROSS JOIN moment
  LEFT JOIN watching ON watching.user_id = users.user_id
  LEFT JOIN paying ON paying.user_id = users.user_id
  WHERE users.signed_up_at < moment.month_end
),
placed AS (
  -- How many users have less, and how many have as much or less.
  SELECT
    measured.*,
    count(*) OVER () AS user_count,
    rank() OVER (ORDER BY frequency ASC NULLS LAST) - 1 AS frequency_below,
    count(*) OVER (ORDER BY frequency ASC NULLS LAST) AS frequency_up_to,
    rank() OVER (ORDER BY monetary ASC NULLS LAST) - 1 AS monetary_below,
    count(*) OVER (ORDER BY monetary ASC NULLS LAST) AS monetary_up_to
  FROM measured
),
scored AS (
  SELECT
    placed.*,
    CASE
      WHEN recency_days < 2 THEN 5
      WHEN recency_days < 7 THEN 4
      WHEN recency_days < 14 THEN 3
      WHEN recency_days < 30 THEN 2
      ELSE 1
    END AS recency_score,
    CASE WHEN frequency = 0 THEN 1 ELSE CAST(ceil(2.5 * (frequency_below + frequency_up_to) / user_count) AS INTEGER) END AS frequency_score,
    CASE WHEN monetary = 0 THEN 1 ELSE CAST(ceil(2.5 * (monetary_below + monetary_up_to) / user_count) AS INTEGER) END AS monetary_score
  FROM placed
)
SELECT
  CAST(date_trunc('month', timezone('Europe/Berlin', :window_start)) AS DATE) AS month,
  user_id,
  CASE
    WHEN is_new THEN 'New'
    WHEN recency_days IS NULL AND monetary = 0 THEN 'Dormant'
    WHEN recency_score >= 4 AND frequency_score >= 4 AND monetary_score >= 4 THEN 'Champions'
    WHEN recency_score >= 3 AND frequency_score >= 4 THEN 'Loyal'
    WHEN recency_score <= 2 AND monetary_score >= 4 THEN 'At risk'
    WHEN recency_score <= 2 AND frequency_score <= 2 THEN 'Hibernating'
    WHEN monetary_score >= 4 THEN 'Big spenders'
    WHEN recency_score >= 4 THEN 'Promising'
    ELSE 'Steady'
  END AS segment,
  recency_days,
  frequency,
  minutes,
  monetary,
  recency_score,
  frequency_score,
  monetary_score
FROM scored
