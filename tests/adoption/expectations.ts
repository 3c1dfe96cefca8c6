/**
 * What adoption must do with each relation of the schemas in this folder. Refused relations have a reason that the
 * message must name, so that a refusal for a wrong reason fails as well.
 */

/** A relation, by its name as PostgreSQL prints it with its schema. */
interface Relation {
  readonly relation: string;
}

/** A table that capture can follow. */
export interface AdoptedTable extends Relation {
  readonly adopted: true;
  /** Columns of the primary key, in its order. */
  readonly key: readonly string[];
  /** `delete`: TRUNCATE is normal work there and reaches the replicas as deletes. Otherwise it is refused. */
  readonly truncate: "refuse" | "delete";
}

/** A relation that cannot be adopted. */
export interface RefusedRelation extends Relation {
  readonly adopted: false;
  /** Matches each message with the true reason. */
  readonly reason: RegExp;
}

export type Expectation = AdoptedTable | RefusedRelation;

const adopt = (relation: string, ...key: string[]): AdoptedTable => ({
  relation,
  adopted: true,
  key,
  truncate: relation === "app.import_rows" ? "delete" : "refuse",
});
const refuse = (reason: RegExp, ...relations: string[]): RefusedRelation[] =>
  relations.map((relation) => ({ relation, adopted: false, reason }));

const NO_KEY = /(no|without a?) ?primary key/i;
const PARTITION = /partition|inherits from/i;
const INHERITANCE = /inherit|child table/i;
const UNLOGGED = /unlogged/i;
const VIEW = /view|no table/i;
const RULE = /rule/i;

/** `rental.sql`. */
export const rental: readonly Expectation[] = [
  adopt("public.country", "country_id"),
  adopt("public.city", "city_id"),
  adopt("public.address", "address_id"),
  adopt("public.language", "language_id"),
  adopt("public.actor", "actor_id"),
  adopt("public.category", "category_id"),
  adopt("public.film", "film_id"),
  adopt("public.film_audit", "audit_id"),
  adopt("public.film_actor", "actor_id", "film_id"),
  adopt("public.film_category", "film_id", "category_id"),
  adopt("public.store", "store_id"),
  adopt("public.staff", "staff_id"),
  adopt("public.customer", "customer_id"),
  adopt("public.inventory", "inventory_id"),
  adopt("public.rental", "rental_id"),
  adopt("public.payment", "payment_id", "payment_date"),
  adopt("public.screening", "store_id", "year", "month", "day", "slot"),
  ...refuse(
    PARTITION,
    "public.payment_2026_01",
    "public.payment_2026_02",
    "public.payment_2026_03",
    "public.payment_other",
  ),
  ...refuse(INHERITANCE, "public.legacy_person", "public.legacy_employee"),
  ...refuse(RULE, "public.archived_film"),
  ...refuse(NO_KEY, "public.visitor_log", "public.promo_code"),
  ...refuse(UNLOGGED, "public.film_view_count"),
  ...refuse(VIEW, "public.film_list", "public.rentals_by_film"),
];

/** `trade.sql`. */
export const trade: readonly Expectation[] = [
  adopt('trade."Categories"', "CategoryID"),
  adopt('trade."Customers"', "CustomerID"),
  adopt('trade."CustomerDemographics"', "CustomerTypeID"),
  adopt('trade."CustomerCustomerDemo"', "CustomerID", "CustomerTypeID"),
  adopt('trade."Employees"', "EmployeeID"),
  adopt('trade."Region"', "RegionID"),
  adopt('trade."Territories"', "TerritoryID"),
  adopt('trade."EmployeeTerritories"', "EmployeeID", "TerritoryID"),
  adopt('trade."Suppliers"', "SupplierID"),
  adopt('trade."Shippers"', "ShipperID"),
  adopt('trade."Products"', "ProductID"),
  adopt('trade."Orders"', "OrderID"),
  adopt('trade."Order Details"', "OrderID", "ProductID"),
  adopt('trade."order"', "digest"),
  adopt('trade."Weird ""Name"", 100% sure"', "it's", "a,b%c"),
  adopt("trade.stock_movement", "warehouse", "moved_on", "movement_id"),
  adopt("trade.exchange_rate", "currency", "valid_on"),
  adopt("trade.price_step", "amount"),
  adopt("trade.shift", "starts"),
  adopt("trade.local_slot", "slot"),
  adopt("trade.opening_rule", "warehouse", "is_holiday"),
  adopt("trade.network", "address"),
  adopt("trade.batch_code", "code"),
  adopt("trade.queue_position", "position"),
  ...refuse(
    PARTITION,
    "trade.stock_bremen",
    "trade.stock_bremen_old",
    "trade.stock_bremen_new",
    "trade.stock_recife",
    "trade.stock_other",
  ),
  ...refuse(/without overlaps|temporal|daterange/i, "trade.price_list"),
  ...refuse(/collation|deterministic/i, "trade.nickname"),
  ...refuse(/interval/i, "trade.lead_time"),
  ...refuse(/jsonb/i, "trade.configuration_blob"),
  ...refuse(VIEW, 'trade."Invoices"'),
];

/** `saas.sql`. */
export const saas: readonly Expectation[] = [
  adopt("app.tenants", "id"),
  adopt("app.users", "tenant_id", "id"),
  adopt("app.teams", "tenant_id", "team"),
  adopt("app.memberships", "tenant_id", "team", "user_id"),
  adopt("app.projects", "tenant_id", "number"),
  adopt("app.tasks", "tenant_id", "id"),
  adopt("app.comments", "tenant_id", "task_id", "number"),
  adopt("app.attachments", "id"),
  adopt("app.api_keys", "tenant_id", "name"),
  adopt("app.contacts", "id"),
  adopt("app.feature_flags", "flag"),
  adopt("app.flag_log", "id"),
  adopt("app.site_settings", "singleton"),
  adopt("app.audit_log", "at", "action", "id"),
  adopt("app.import_rows", "import_id", "line"),
  adopt("app.every_type", "id"),
  adopt("billing.plans", "code"),
  adopt("billing.subscriptions", "id"),
  adopt("billing.invoices", "tenant_id", "number"),
  adopt("billing.invoice_lines", "tenant_id", "number", "line"),
  adopt("billing.payments", "id"),
  ...refuse(
    PARTITION,
    "app.tasks_0",
    "app.tasks_1",
    "app.tasks_2",
    "app.audit_log_old",
    "app.audit_log_new",
    "app.audit_log_new_login",
    "app.audit_log_new_other",
  ),
  ...refuse(UNLOGGED, "app.sessions"),
  ...refuse(VIEW, "app.active_users", "billing.revenue"),
];

export const expectations: readonly Expectation[] = [...rental, ...trade, ...saas];

/** The tables to adopt. */
export const adoptedTables: readonly AdoptedTable[] = expectations.filter((one) => one.adopted);

/** Tables that one document holds together, when they are declared so. */
export const families = [
  {
    parent: 'trade."Orders"',
    member: "details",
    child: 'trade."Order Details"',
    key: ["ProductID"],
    parentKey: ["OrderID"],
  },
  {
    parent: "billing.invoices",
    member: "lines",
    child: "billing.invoice_lines",
    key: ["line"],
    parentKey: ["tenant_id", "number"],
  },
] as const;
