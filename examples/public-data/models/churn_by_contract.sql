/*
description: How many subscribers of each contract left.
key: [contract]
columns:
  lost_per_month: Monthly charges of those who left.
*/
SELECT
  contract,
  count(*) AS subscribers,
  count(*) FILTER (WHERE has_left) AS left_count,
  CAST(sum(monthly_charges) FILTER (WHERE has_left) AS DECIMAL(12, 2)) AS lost_per_month
FROM subscribers
GROUP BY contract
