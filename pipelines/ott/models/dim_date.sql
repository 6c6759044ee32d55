/*
description: The days of the calendar from 2020 to 2034.
materialization: table
key: [date_key]
columns:
  weekday: 1 for Monday to 7 for Sunday.
*/
WITH digit AS (
  SELECT * FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS digits(d)
),
days AS (
  SELECT DATE '2020-01-01' + (1000 * thousands.d + 100 * hundreds.d + 10 * tens.d + ones.d) AS date_key
  FROM digit AS thousands
  CROSS JOIN digit AS hundreds
  CROSS JOIN digit AS tens
  CROSS JOIN digit AS ones
)
SELECT
  date_key,
  CAST(year(date_key) AS INTEGER) AS year,
  CAST(quarter(date_key) AS INTEGER) AS quarter,
  CAST(month(date_key) AS INTEGER) AS month,
  CAST(day(date_key) AS INTEGER) AS day,
  CAST(weekofyear(date_key) AS INTEGER) AS iso_week,
  -- 1 January 2020 was a Wednesday.
  CAST((date_key - DATE '2020-01-01' + 2) % 7 + 1 AS INTEGER) AS weekday,
  (date_key - DATE '2020-01-01' + 2) % 7 >= 5 AS is_weekend
FROM days
WHERE date_key <= DATE '2034-12-31'
