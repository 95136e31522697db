-- What a judge's server called itself in the reply: its model and fingerprint; empty for a judge in process.
ALTER TABLE judgements ADD COLUMN served_by text NOT NULL DEFAULT '';
