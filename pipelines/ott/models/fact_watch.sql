/*
description: >-
  One row per viewing, joined to its title and its user. A viewing of a title or by a user that never was known is a
  reject until they are: the day on which it began is then made anew, as is a day of the last seven with a viewing of a
  title that changed.
materialization: partitions
partitionBy: [watched_on]
key: [viewing_id]
# The viewings of the days that are made anew, counted without the joins that could lose or double them.
rowsIn: >-
  SELECT count(*) FROM watch_history
  WHERE started_at < :window_end
    AND CAST(timezone('Europe/Berlin', started_at) AS DATE) IN (
      SELECT CAST(timezone('Europe/Berlin', started_at) AS DATE) FROM watch_history
      WHERE started_at < :window_end
        AND ((_window >= :window_start AND _window < :window_end)
          OR (CAST(timezone('Europe/Berlin', started_at) AS DATE) > CAST(timezone('Europe/Berlin', :window_start) AS DATE) - 7
            AND title_id IN (SELECT title_id FROM titles WHERE _window >= :window_start AND _window < :window_end))
          OR title_id IN (SELECT title_id FROM known_title WHERE valid_from = :window_start)
          OR user_id IN (SELECT user_id FROM dim_user GROUP BY user_id HAVING min(valid_from) = :window_start)))
columns:
  watched_on: The day in the company's time zone on which the viewing began.
  completion: Share of the running time that was watched, 0 to 1; NULL where the running time is not known.
  built_for: Start of the window for which the row was last made; from it other models know which days are new.
*/
WITH known_user AS (
  -- Users who have left are known all the same: what they watched was watched.
  SELECT user_id, min(valid_from) AS known_from
  FROM dim_user
  GROUP BY user_id
),
viewing AS (
  SELECT
    *,
    CAST(timezone('Europe/Berlin', started_at) AS DATE) AS watched_on
  FROM watch_history
  WHERE started_at < :window_end
),
renewed AS (
  -- The days that something came in for, all of history on the first day; those of the last seven with viewings of a
  -- title that changed; those with viewings of a title or by a user that has become known.
  SELECT DISTINCT watched_on
  FROM viewing
  WHERE (_window >= :window_start AND _window < :window_end)
    OR (watched_on > CAST(timezone('Europe/Berlin', :window_start) AS DATE) - 7
      AND title_id IN (SELECT title_id FROM titles WHERE _window >= :window_start AND _window < :window_end))
    OR title_id IN (SELECT title_id FROM known_title WHERE valid_from = :window_start)
    OR user_id IN (SELECT user_id FROM known_user WHERE known_from = :window_start)
)
SELECT
  viewing.viewing_id,
  viewing.watched_on,
  viewing.user_id,
  viewing.title_id,
  viewing.device_id,
  viewing.started_at,
  viewing.minutes_watched,
  CAST(
    CASE
      WHEN viewing.minutes_watched >= titles.runtime_minutes THEN 1
      ELSE viewing.minutes_watched / titles.runtime_minutes
    END AS DECIMAL(5, 4)
  ) AS completion,
  :window_start AS built_for,
  CASE
    WHEN titles.title_id IS NULL AND known_user.user_id IS NULL THEN 'unknown_title_and_user'
    WHEN titles.title_id IS NULL THEN 'unknown_title'
    WHEN known_user.user_id IS NULL THEN 'unknown_user'
  END AS _reject
FROM viewing
LEFT JOIN titles ON titles.title_id = viewing.title_id
LEFT JOIN known_user ON known_user.user_id = viewing.user_id
WHERE viewing.watched_on IN (SELECT watched_on FROM renewed)
