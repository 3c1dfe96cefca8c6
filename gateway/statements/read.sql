-- Takes: $1 id. Answers: doc, the row as JSON; version, where it is no column. No row for an unknown id.
select ({document}){as_text} as doc{version} from {table} as lockstep_row where {has_key}
