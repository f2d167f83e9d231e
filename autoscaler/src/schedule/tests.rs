mod cron;
mod journal;
mod recurrence;
