/*
description: >-
  Ten titles for each user that the user has not watched: the best of the three genres that the user likes most, by what
  the user said and by what the user watches; the best of all where that is not known.
materialization: table
key: [user_id, rank]
columns:
  rank: Place among the user's recommendations, from 1.
  why: What it is recommended for.
*/
WITH declared AS (
  SELECT user_id, unnest(preferred_genres) AS genre
  FROM users
),
-- How much a user likes a genre, in minutes. Having said so counts as much as ten hours of watching.
signal AS (
  SELECT fact_watch.user_id, title_genre.genre, sum(fact_watch.minutes_watched) AS watched, 0 AS said
  FROM fact_watch
  JOIN title_genre ON title_genre.title_id = fact_watch.title_id
  GROUP BY fact_watch.user_id, title_genre.genre
  UNION ALL
  SELECT user_id, genre, 0 AS watched, 1 AS said
  FROM declared
),
taste AS (
  SELECT user_id, genre, sum(watched) AS watched_minutes, max(said) AS is_declared
  FROM signal
  GROUP BY user_id, genre
),
placed_taste AS (
  SELECT
    user_id,
    genre,
    watched_minutes,
    is_declared,
    row_number() OVER (
      PARTITION BY user_id
      ORDER BY watched_minutes + 600 * is_declared DESC, genre ASC NULLS LAST
    ) AS place
  FROM taste
),
favourite AS (
  SELECT user_id, genre, watched_minutes, is_declared, place
  FROM placed_taste
  WHERE place <= 3
),
-- Users with the same three favourites in the same order share one list: there are some thousands of such profiles,
-- however many users there are. A profile has a number, since numbers are grouped and sorted faster than texts.
favourites AS (
  SELECT
    users.user_id,
    coalesce(max(CASE WHEN favourite.place = 1 THEN favourite.genre END), '') AS first_genre,
    coalesce(max(CASE WHEN favourite.place = 2 THEN favourite.genre END), '') AS second_genre,
    coalesce(max(CASE WHEN favourite.place = 3 THEN favourite.genre END), '') AS third_genre
  FROM users
  LEFT JOIN favourite ON favourite.user_id = users.user_id
  GROUP BY users.user_id
),
profile AS (
  SELECT
    user_id,
    first_genre,
    second_genre,
    third_genre,
    CAST(dense_rank() OVER (ORDER BY first_genre ASC NULLS LAST, second_genre ASC NULLS LAST, third_genre ASC NULLS LAST) AS INTEGER) AS profile
  FROM favourites
),
popular AS (
  SELECT title_id, count(DISTINCT user_id) AS viewers
  FROM fact_watch
  GROUP BY title_id
),
-- Bayesian average of the score as in top_titles_by_genre, and up to one and a half points for being watched here.
graded AS (
  SELECT
    dim_title.title_id,
    dim_title.title,
    dim_title.imdb_score,
    dim_title.imdb_votes,
    CAST(
      (dim_title.imdb_votes * dim_title.imdb_score + 10000 * (SELECT sum(imdb_score) / count(imdb_score) FROM dim_title))
        / (dim_title.imdb_votes + 10000)
      + 1.5 * coalesce(popular.viewers, 0) / (SELECT coalesce(max(viewers), 0) + 1 FROM popular)
      AS DECIMAL(6, 4)
    ) AS grade
  FROM dim_title
  LEFT JOIN popular ON popular.title_id = dim_title.title_id
  WHERE dim_title.imdb_score IS NOT NULL AND dim_title.imdb_votes IS NOT NULL
),
-- The place that decides between titles with as many points.
ordered AS (
  SELECT
    graded.*,
    CAST(row_number() OVER (ORDER BY imdb_votes DESC, title ASC NULLS LAST, title_id ASC NULLS LAST) AS INTEGER) AS turn
  FROM graded
),
listed AS (
  SELECT title_id, genre FROM title_genre
  UNION ALL
  SELECT title_id, '' AS genre FROM dim_title
),
placed_title AS (
  SELECT
    listed.genre,
    ordered.turn,
    row_number() OVER (
      PARTITION BY listed.genre
      ORDER BY ordered.grade DESC, ordered.imdb_votes DESC, ordered.title_id ASC NULLS LAST
    ) AS place
  FROM ordered
  JOIN listed ON listed.title_id = ordered.title_id
),
-- The fifty best titles of each genre, and of all ('').
pool AS (
  SELECT genre, turn
  FROM placed_title
  WHERE place <= 50
),
kind AS (
  SELECT DISTINCT profile, first_genre, second_genre, third_genre
  FROM profile
),
candidate AS (
  SELECT kind.profile, pool.turn, 1.0 AS bonus, 1 AS matched_place
  FROM kind
  JOIN pool ON pool.genre = kind.first_genre
  WHERE kind.first_genre <> ''
  UNION ALL
  SELECT kind.profile, pool.turn, 0.7 AS bonus, 2 AS matched_place
  FROM kind
  JOIN pool ON pool.genre = kind.second_genre
  WHERE kind.second_genre <> ''
  UNION ALL
  SELECT kind.profile, pool.turn, 0.5 AS bonus, 3 AS matched_place
  FROM kind
  JOIN pool ON pool.genre = kind.third_genre
  WHERE kind.third_genre <> ''
  UNION ALL
  SELECT kind.profile, pool.turn, 0.0 AS bonus, 4 AS matched_place
  FROM kind
  JOIN pool ON pool.genre = ''
),
rewarded AS (
  SELECT profile, turn, CAST(sum(bonus) AS DECIMAL(3, 1)) AS bonus, min(matched_place) AS matched_place
  FROM candidate
  GROUP BY profile, turn
),
-- A profile's titles, at most two hundred, best first.
list AS (
  SELECT
    rewarded.profile,
    ordered.title_id,
    rewarded.matched_place,
    CAST(row_number() OVER (
      PARTITION BY rewarded.profile
      ORDER BY CAST(ordered.grade + rewarded.bonus AS DECIMAL(8, 4)) DESC, rewarded.turn ASC NULLS LAST
    ) AS INTEGER) AS place
  FROM rewarded
  JOIN ordered ON ordered.turn = rewarded.turn
),
-- Titles of a user's list that the user has watched.
watched AS (
  SELECT DISTINCT profile.user_id, list.title_id
  FROM fact_watch
  JOIN profile ON profile.user_id = fact_watch.user_id
  JOIN list ON list.profile = profile.profile
    AND list.title_id = fact_watch.title_id
),
watched_count AS (
  SELECT user_id, count(*) AS title_count
  FROM watched
  GROUP BY user_id
),
-- The first ten that are not watched are among the first ten plus as many as are: a list need not be opened further.
unseen AS (
  SELECT
    profile.user_id,
    list.title_id,
    list.matched_place,
    list.place
  FROM profile
  LEFT JOIN watched_count ON watched_count.user_id = profile.user_id
  JOIN list ON list.profile = profile.profile
    AND list.place <= 10 + coalesce(watched_count.title_count, 0)
  LEFT JOIN watched ON watched.user_id = profile.user_id AND watched.title_id = list.title_id
  WHERE watched.title_id IS NULL
),
chosen AS (
  SELECT
    user_id,
    title_id,
    matched_place,
    CAST(row_number() OVER (PARTITION BY user_id ORDER BY place ASC NULLS LAST) AS INTEGER) AS rank
  FROM unseen
)
SELECT
  chosen.user_id,
  chosen.rank,
  chosen.title_id,
  graded.title,
  favourite.genre,
  graded.imdb_score,
  concat(
    CASE
      WHEN favourite.genre IS NULL THEN 'One of the best of all titles'
      WHEN favourite.is_declared = 1 AND favourite.watched_minutes > 0 THEN concat('You like ', favourite.genre, ' and watch it')
      WHEN favourite.is_declared = 1 THEN concat('You like ', favourite.genre)
      ELSE concat('You watch ', favourite.genre)
    END,
    '; rated ', CAST(graded.imdb_score AS VARCHAR), ' by ', CAST(graded.imdb_votes AS VARCHAR), ' people'
  ) AS why
FROM chosen
LEFT JOIN favourite ON favourite.user_id = chosen.user_id AND favourite.place = chosen.matched_place
JOIN graded ON graded.title_id = chosen.title_id
WHERE chosen.rank <= 10
