-- Identity is a hash of everything that made a row, so writing a row twice is harmless.
-- Text columns hold text as ragft.store.text escapes it; `record` columns hold ASCII JSON.

CREATE TABLE store (
    secret bytea NOT NULL
);

CREATE TABLE documents (
    key text PRIMARY KEY,
    record json NOT NULL
);

CREATE TABLE questions (
    key text PRIMARY KEY,
    record json NOT NULL
);

CREATE TABLE datasets (
    sha text PRIMARY KEY,
    name text NOT NULL,
    documents text[] NOT NULL,
    questions text[] NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE preparations (
    key text PRIMARY KEY,
    name text NOT NULL,
    dataset text NOT NULL REFERENCES datasets,
    settings json NOT NULL,
    splits json NOT NULL,
    collections json NOT NULL,
    used timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- `number` is made from `id` (ragft.store.passages), so that it orders passages alike in every store.
CREATE TABLE passages (
    number bigint PRIMARY KEY,
    id text NOT NULL UNIQUE,
    document text NOT NULL,
    position integer NOT NULL,
    text text NOT NULL
);

CREATE TABLE embedders (
    number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    id text PRIMARY KEY,
    dimension integer NOT NULL CHECK (dimension BETWEEN 1 AND 4000)
);

-- What was embedded, whether or not a collection is made of it yet. Written with its passages in one transaction and
-- never deleted: a foreign key would look up every row again, for nothing.
CREATE TABLE vectors (
    embedder integer NOT NULL,
    passage bigint NOT NULL,
    embedding halfvec NOT NULL,
    PRIMARY KEY (embedder, passage)
);
ALTER TABLE vectors ALTER COLUMN embedding SET STORAGE PLAIN;

CREATE TABLE collections (
    number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    id text PRIMARY KEY,
    embedder integer NOT NULL REFERENCES embedders (number),
    max_chars integer NOT NULL,
    size integer NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A copy of the vectors of each collection, in one piece and narrow: an exact search reads it whole, and nothing else.
CREATE TABLE members (
    collection integer NOT NULL,
    passage bigint NOT NULL,
    embedding halfvec NOT NULL
);
ALTER TABLE members ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX members_of_collection ON members (collection);

CREATE TABLE retrievals (
    key text PRIMARY KEY,
    passages text[] NOT NULL
);

CREATE TABLE answers (
    key text PRIMARY KEY,
    question text NOT NULL,
    text text NOT NULL,
    prompt text NOT NULL,
    passages text[] NOT NULL,
    prompt_tokens integer NOT NULL,
    tokens integer NOT NULL,
    dropped_passages integer NOT NULL,
    cut boolean NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE judgements (
    key text NOT NULL,
    repeat integer NOT NULL,
    reply text NOT NULL,
    value double precision,
    mass double precision,
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (key, repeat)
);
