-- Schema of the local version store. `scope` is the name of an input partition: products.events/3.
create table if not exists known (
  scope text not null,
  id text not null,
  version integer not null,
  flush integer not null, -- the versions topic has this version from the scope's flush of this number on
  absent text, -- JSON list of the replicas that got a tombstone for this version; null for none, or not known
  primary key (scope, id)
) without rowid;
create table if not exists checkpoint (
  scope text primary key,
  next integer not null,
  ends text not null,
  more text, -- the other members of the checkpoint, as JSON
  flushed integer not null default 0 -- number of the last flush that the versions topic has
) without rowid;
