/*
description: The windows that have been built. From it user_segments knows the latest when an old one is built again.
materialization: merge
key: [window_start]
*/
SELECT
  :window_start AS window_start,
  :window_end AS window_end
