/*
description: Those who watch, with every state that they have had.
materialization: history
key: [user_id]
columns:
  valid_from: Start of the window from which on this was so.
  valid_to: Start of the window from which on it no longer was; NULL while it is.
*/
SELECT
  user_id,
  full_name,
  email,
  birth_date,
  country,
  plan,
  signed_up_at
FROM users
