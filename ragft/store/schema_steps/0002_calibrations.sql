-- How a judge did beside people on some data; a new rating replaces the old one.
CREATE TABLE calibrations (
    judge text NOT NULL,
    criterion text NOT NULL,
    estimator text NOT NULL,
    data text NOT NULL,
    record json NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (judge, criterion, estimator, data)
);
