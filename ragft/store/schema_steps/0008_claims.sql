-- Who computes what of a study, so that processes and machines can share it. A task is its owner's while the lease
-- runs, by this server's clock. A row stays when its task is finished, and says who did it.
CREATE TABLE claims (
    task text PRIMARY KEY,
    study text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL DEFAULT '',
    code json NOT NULL DEFAULT '{}',
    -- Of the owner: the one that renews, then the one that works.
    connections integer[] NOT NULL DEFAULT '{}',
    attempts integer NOT NULL DEFAULT 0,
    claimed timestamptz,
    renewed timestamptz,
    leased_until timestamptz,
    finished timestamptz,
    failure text NOT NULL DEFAULT ''
);
CREATE INDEX claims_of_study ON claims (study);
