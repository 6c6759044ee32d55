/*
description: Orders and their value by day.
materialization: table
key: [ordered_on]
columns:
  ordered_on: The day.
  orders: Orders placed on it.
  sales: Their value in euros.
*/
SELECT ordered_on, count(*) AS orders, sum(amount) AS sales
FROM orders
GROUP BY ordered_on
