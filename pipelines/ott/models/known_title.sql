/*
description: Since when each title has been known. From it fact_watch knows which old viewings can come in.
materialization: history
key: [title_id]
*/
SELECT title_id
FROM titles
