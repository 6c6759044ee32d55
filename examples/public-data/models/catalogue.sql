/*
description: The titles of both catalogues.
key: [service, show_id]
*/
SELECT 'Netflix' AS service, show_id, title, type, added_on, release_year, runtime_minutes, seasons FROM netflix_titles
UNION ALL
SELECT 'Disney+' AS service, show_id, title, type, added_on, release_year, runtime_minutes, seasons FROM disney_titles
