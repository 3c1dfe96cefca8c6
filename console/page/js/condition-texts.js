/**
 * Texts of every condition, in English and Brazilian Portuguese: what is wrong, and the first step that ends it.
 * `{name}` is the place. The English remedies are those of the closed list that status and alerts use too.
 *
 * @type {Record<string, { en: string, pt: string }>}
 */
export const conditionTexts = {
  "condition.service-down": { en: "{name} does not respond", pt: "{name} não responde" },
  "remedy.service-down": { en: "read its log, then restart it", pt: "leia o log dele e reinicie-o" },
  "condition.source-unavailable": {
    en: "the source database does not respond ({name})",
    pt: "o banco de origem não responde ({name})",
  },
  "remedy.source-unavailable": {
    en: "start the server, or repair its connection",
    pt: "inicie o servidor ou conserte a conexão",
  },
  "condition.source-read-only": {
    en: "the source database rejects writes ({name})",
    pt: "o banco de origem recusa escritas ({name})",
  },
  "remedy.source-read-only": {
    en: "promote the standby, or end default_transaction_read_only",
    pt: "promova o standby ou encerre default_transaction_read_only",
  },
  "condition.writes-failing": { en: "{name} fails every write", pt: "{name} falha em todas as escritas" },
  "remedy.writes-failing": { en: "read the gateway's log", pt: "leia o log do gateway" },
  "condition.overloaded": { en: "{name} is overloaded", pt: "{name} está sobrecarregado" },
  "remedy.overloaded": { en: "reduce the load", pt: "reduza a carga" },
  "condition.receipts-unavailable": { en: "{name} cannot read receipts", pt: "{name} não consegue ler confirmações" },
  "remedy.receipts-unavailable": {
    en: "check the gateway's connection to the brokers",
    pt: "verifique a conexão do gateway com os brokers",
  },
  "condition.capture-incomplete": {
    en: "changes of {name} are not captured",
    pt: "mudanças de {name} não são capturadas",
  },
  "remedy.capture-incomplete": {
    en: "run lockstep capture, then lockstep repair",
    pt: "execute lockstep capture e depois lockstep repair",
  },
  "condition.outbox-stalled": {
    en: "changes wait in the outbox ({name})",
    pt: "há mudanças paradas no outbox ({name})",
  },
  "remedy.outbox-stalled": { en: "check the relay and the brokers", pt: "verifique o relay e os brokers" },
  "condition.rows-set-aside": { en: "{name} has set changes aside", pt: "{name} separou mudanças" },
  "remedy.rows-set-aside": {
    en: "list them with lockstep dead-letters list; correct the row, or drop them",
    pt: "liste-as com lockstep dead-letters list; corrija a linha ou descarte-as",
  },
  "condition.events-lost": { en: "the log has lost changes ({name})", pt: "o log perdeu mudanças ({name})" },
  "remedy.events-lost": {
    en: "run lockstep resync: it sends every row again",
    pt: "execute lockstep resync: ele envia todas as linhas de novo",
  },
  "condition.log-unavailable": { en: "the log does not respond ({name})", pt: "o log não responde ({name})" },
  "remedy.log-unavailable": {
    en: "start the brokers, or repair the connection",
    pt: "inicie os brokers ou conserte a conexão",
  },
  "condition.records-lost": { en: "a topic has lost records ({name})", pt: "um tópico perdeu registros ({name})" },
  "remedy.records-lost": {
    en: "run lockstep resync: it sends every row again",
    pt: "execute lockstep resync: ele envia todas as linhas de novo",
  },
  "condition.partition-stalled": {
    en: "{name} makes no progress in a partition",
    pt: "{name} não avança em uma partição",
  },
  "remedy.partition-stalled": {
    en: "read the consumer's log, then restart it",
    pt: "leia o log do consumidor e reinicie-o",
  },
  "condition.lag-growing": { en: "{name} falls behind", pt: "{name} está ficando para trás" },
  "remedy.lag-growing": {
    en: "compare its load with its capacity; start another instance",
    pt: "compare a carga com a capacidade; inicie outra instância",
  },
  "condition.paused": { en: "{name} is paused", pt: "{name} está em pausa" },
  "remedy.paused": { en: "run lockstep resume", pt: "execute lockstep resume" },
  "condition.dead-letters-open": { en: "{name} has open dead letters", pt: "{name} tem dead letters abertas" },
  "remedy.dead-letters-open": {
    en: "list them with lockstep dead-letters list; correct the cause and replay, or drop them",
    pt: "liste-as com lockstep dead-letters list; corrija a causa e reenvie, ou descarte-as",
  },
  "condition.database-unavailable": {
    en: "the database of {name} does not respond",
    pt: "o banco de {name} não responde",
  },
  "remedy.database-unavailable": {
    en: "start the server, or its connection",
    pt: "inicie o servidor ou conserte a conexão",
  },
  "condition.database-read-only": {
    en: "the database of {name} rejects writes",
    pt: "o banco de {name} recusa escritas",
  },
  "remedy.database-read-only": {
    en: "promote the standby, or end default_transaction_read_only",
    pt: "promova o standby ou encerre default_transaction_read_only",
  },
  "condition.table-rejects": {
    en: "a table of {name} accepts no row",
    pt: "uma tabela de {name} não aceita nenhuma linha",
  },
  "remedy.table-rejects": { en: "repair its schema or its permissions", pt: "conserte o esquema ou as permissões" },
  "condition.table-drifted": {
    en: "a table in {name} differs from its declaration",
    pt: "uma tabela em {name} difere da declaração",
  },
  "remedy.table-drifted": {
    en: "restore the column by a migration, or change the declaration",
    pt: "restaure a coluna com uma migração ou mude a declaração",
  },
  "condition.log-incomplete": {
    en: "the log cannot account for rows of {name}",
    pt: "o log não explica linhas de {name}",
  },
  "remedy.log-incomplete": {
    en: "run lockstep resync: it sends every row again and compares",
    pt: "execute lockstep resync: ele envia todas as linhas de novo e compara",
  },
  "condition.rebuilding": { en: "{name} is being rebuilt", pt: "{name} está sendo reconstruída" },
  "remedy.rebuilding": { en: "wait until the rebuild ends", pt: "espere o fim da reconstrução" },
  "condition.cache-off": { en: "the cache of {name} is off", pt: "o cache de {name} está desligado" },
  "remedy.cache-off": { en: "start Redis, or repair its connection", pt: "inicie o Redis ou conserte a conexão" },
  "condition.replica-empty": { en: "{name} is empty", pt: "{name} está vazia" },
  "remedy.replica-empty": {
    en: "run lockstep resync: it sends every row again and compares",
    pt: "execute lockstep resync: ele envia todas as linhas de novo e compara",
  },
  "condition.replica-differs": {
    en: "{name} differed from the source in the last verification",
    pt: "{name} estava diferente da origem na última verificação",
  },
  "remedy.replica-differs": { en: "run lockstep repair", pt: "execute lockstep repair" },
  "condition.verification-stale": {
    en: "the last verification of {name} is too old",
    pt: "a última verificação de {name} é antiga demais",
  },
  "remedy.verification-stale": { en: "run lockstep verify", pt: "execute lockstep verify" },
  "condition.not-verified": {
    en: "{name} was never completely verified",
    pt: "{name} nunca foi verificada por completo",
  },
  "remedy.not-verified": { en: "run lockstep verify", pt: "execute lockstep verify" },
  "condition.status-unknown": { en: "a part could not be read ({name})", pt: "uma parte não pôde ser lida ({name})" },
  "remedy.status-unknown": {
    en: "restore the access that the detail names",
    pt: "restaure o acesso que o detalhe indica",
  },
  "condition.signing-keys-unavailable": {
    en: "{name} has no keys of the token issuer",
    pt: "{name} não tem as chaves do emissor de tokens",
  },
  "remedy.signing-keys-unavailable": {
    en: "check LOCKSTEP_AUTH_JWKS and the issuer",
    pt: "verifique LOCKSTEP_AUTH_JWKS e o emissor",
  },
};
