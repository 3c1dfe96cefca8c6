/** Writes of the trading company. */
import { copyRows, literal, newNumber, type Operation, someKey, strangeText } from "./operation.ts";

const DETAILS = 'trade."Order Details"';
const WEIRD = 'trade."Weird ""Name"", 100% sure"';
const WAREHOUSES = ["Bremen", "Recife", 'Lyon "Sud"', "O'Hare, Dock 2"];

export const tradeOperations: readonly Operation[] = [
  {
    name: "trade: an order with its lines in several statements",
    weight: 6,
    statements: (random, { product }) => [
      `insert into trade."Orders" ("CustomerID", "EmployeeID", "Freight", "ShipVia")
         select "CustomerID", 1, ${random.int(0, 99_999)} / 1000.0, 1 from trade."Customers"
         where "CustomerID" >= ${literal(random.int(1, 400).toString(16).toUpperCase())} order by 1 limit 1`,
      ...Array.from(
        { length: random.int(1, 4) },
        () => `insert into ${DETAILS} select currval('trade."Orders_OrderID_seq"'),
           ${someKey(random, 'trade."Products"', '"ProductID"', product!)}, '3.50'::money, ${random.int(1, 30)}, 0.1
         on conflict do nothing`,
      ),
      `update trade."Orders" set "Freight" = "Freight" + 1 where "OrderID" = currval('trade."Orders_OrderID_seq"')`,
    ],
  },
  {
    name: "trade: change an order and its lines",
    weight: 6,
    statements: (random, { order, product }) => {
      const id = random.int(1, order!);
      return [
        `update ${DETAILS} set "Quantity" = "Quantity" % 90::smallint + 1::smallint where "OrderID" = ${id}`,
        `insert into ${DETAILS} select "OrderID", ${someKey(random, 'trade."Products"', '"ProductID"', product!)}, '1', 1, 0
           from trade."Orders" where "OrderID" = ${id}
         on conflict ("OrderID", "ProductID") do update set "Discount" = 0.25`,
        `update trade."Orders" set "ShippedDate" = '2026-05-05 05:05:05' where "OrderID" = ${id}`,
        `delete from ${DETAILS} where "OrderID" = ${id} and "Quantity" < ${random.int(1, 9)}`,
      ];
    },
  },
  {
    name: "trade: a line alone",
    weight: 4,
    statements: (random, { order }) => [
      `update ${DETAILS} set "UnitPrice" = "UnitPrice" * 1.1 where "OrderID" = ${random.int(1, order!)}`,
    ],
  },
  {
    name: "trade: move lines to another order",
    weight: 2,
    statements: (random, { order }) => [
      `update ${DETAILS} set "OrderID" = ${someKey(random, 'trade."Orders"', '"OrderID"', order!)}
       where "OrderID" = ${random.int(1, order!)}`,
    ],
  },
  {
    name: "trade: delete orders with their lines",
    weight: 1,
    statements: (random, { order }) => {
      const first = random.int(1, order!);
      return [`delete from trade."Orders" where "OrderID" between ${first} and ${first + random.int(0, 3)}`];
    },
  },
  {
    name: "trade: change the key of a customer",
    weight: 2,
    statements: (random) => {
      const id = random.int(1, 0xfff).toString(16).toUpperCase();
      return [
        `update trade."Customers" set "CustomerID" = case when "CustomerID" = ${literal(id)} then ${literal(`${id}z`)}
           else ${literal(id)} end where "CustomerID" in (${literal(id)}, ${literal(`${id}z`)})`,
      ];
    },
  },
  {
    name: "trade: stock of many products",
    weight: 4,
    statements: (random, { product }) => {
      const first = random.int(1, product!);
      return [
        `update trade."Products" set "UnitsInStock" = ("UnitsInStock" + ${random.int(0, 50)}) % 1000,
           "Weight" = "Weight" * 1.01, "UnitPrice" = ${literal(String(random.int(0, 99_999) / 100))}
         where "ProductID" between ${first} and ${first + random.int(0, 80)}`,
      ];
    },
  },
  {
    name: "trade: digests as keys",
    weight: 2,
    statements: (random) => [
      `insert into trade."order" values (sha256('${newNumber(random)}'), ${literal(strangeText(random))}, 'Bremen')`,
      `update trade."order" set digest = sha256(digest), "from" = ${literal(random.pick(WAREHOUSES))}
         where digest = sha256('${random.int(1, 400)}')`,
    ],
  },
  {
    name: "trade: strange names and keys",
    weight: 4,
    statements: (random) => {
      const [key, other] = [literal(strangeText(random)), literal(strangeText(random))];
      return [
        random.pick([
          `insert into ${WEIRD} values (${key}, ${other}, ${key}, ${random.int(1, 99)}, ${other})
             on conflict ("it's", "a,b%c") do update set "back\\slash" = ${key}, "$1" = null`,
          `update ${WEIRD} set "a,b%c" = ${key} where "it's" = ${literal(`it's ${random.int(1, 400)}`)}`,
          `delete from ${WEIRD} where "it's" = ${key}`,
        ]),
      ];
    },
  },
  {
    name: "trade: stock moves in",
    weight: 3,
    statements: (random) => [
      `insert into trade.stock_movement (warehouse, moved_on, product_id, quantity)
         select ${literal(random.pick(WAREHOUSES))}, date '2025-11-01' + i, 1, i
         from generate_series(1, ${random.int(1, 150)}) i`,
    ],
  },
  {
    name: "trade: stock moves between warehouses and years",
    weight: 3,
    statements: (random, { movement }) => {
      const first = random.int(1, movement!);
      const day = `date '2025-06-01' + ${random.int(0, 399)}`;
      return [
        `update trade.stock_movement set warehouse = ${literal(random.pick(WAREHOUSES))},
           moved_on = moved_on + ${random.int(-200, 200)}
         where warehouse = ${literal(random.pick(WAREHOUSES))} and moved_on = ${day}
           and movement_id between ${first} and ${first + 5_000}`,
      ];
    },
  },
  {
    name: "trade: upsert exchange rates",
    weight: 4,
    statements: (random) => [
      `insert into trade.exchange_rate select ${literal(random.pick(["EUR", "USD", "X", "é"]))},
           date '2000-01-01' + ${random.int(0, 4_000)} + i, ${random.int(1, 99_999)} / 7.0, null
         from generate_series(1, ${random.int(1, 60)}) i
       on conflict (currency, valid_on) do update set rate = excluded.rate`,
    ],
  },
  {
    name: "trade: keys that are amounts, with other digits and other values",
    weight: 2,
    statements: (random) => [
      `update trade.price_step set amount = ${random.pick(["amount + 0.0000", "amount + 0.001", "trim_scale(amount)"])}
         where amount = ${random.int(-99, 400) / 4}`,
      `insert into trade.price_step values (${random.int(1, 999)}.0, 'x') on conflict (amount) do update set label = 'y'`,
    ],
  },
  {
    name: "trade: keys that are times",
    weight: 3,
    statements: (random) => {
      const shift = random.int(1, 400);
      return [
        `update trade.shift set starts = starts + interval '1 microsecond', length = length + interval '1 month -1 day'
           where starts between timestamptz '2020-01-01' + ${shift} * interval '8 hours' and
             timestamptz '2020-01-01' + ${shift + 3} * interval '8 hours 1 microsecond'`,
        `update trade.local_slot set slot = slot + interval '1 millisecond', note = null
           where slot = timestamp '2020-01-01' + ${random.int(1, 400)} * interval '999 milliseconds'`,
      ];
    },
  },
  {
    name: "trade: keys of an enum and a boolean",
    weight: 1,
    statements: (random) => [
      `update trade.opening_rule set closes = ${literal(random.pick(["24:00", "20:00:00.000001"]))}
         where warehouse = ${literal(random.pick(WAREHOUSES))} and is_holiday = ${random.chance(0.5)}`,
      `delete from trade.opening_rule where warehouse = 'Recife' and is_holiday`,
      `insert into trade.opening_rule values ('Recife', true, '00:00', '12:30')`,
    ],
  },
  {
    name: "trade: keys that are addresses",
    weight: 2,
    statements: (random) => [
      `update trade.network set address = set_masklen(address, ${random.int(8, 31)}), mac = null
         where address = inet '10.0.0.0' + ${random.int(1, 200) * 2}`,
      `insert into trade.network values (inet '172.16.0.0' + ${random.int(0, 60_000)}, 'New')
         on conflict (address) do update set name = 'Again'`,
    ],
  },
  {
    name: "trade: rows exchange their keys, which are unique again at the commit",
    weight: 2,
    statements: (random) => {
      const [one, other] = [random.int(1, 25), random.int(26, 50)];
      return [
        `update trade.queue_position set position = ${one} + ${other} - position where position in (${one}, ${other})`,
        `update trade.queue_position set position = ${other} where position = ${one}`,
        `update trade.queue_position set position = ${one} where ctid = (select ctid from trade.queue_position
           where position = ${other} order by ticket limit 1)`,
      ];
    },
  },
  {
    name: "trade: change the key of a territory, and who visits it",
    weight: 2,
    statements: (random) => {
      const id = `T-${random.int(1, 500)}`;
      return [
        `update trade."Territories" set "TerritoryID" = case "TerritoryID" when '${id}' then '${id},' else '${id}' end
           where "TerritoryID" in ('${id}', '${id},')`,
        `delete from trade."EmployeeTerritories" where "EmployeeID" = ${random.int(1, 300)}`,
        `insert into trade."EmployeeTerritories" select ${random.int(1, 300)}, "TerritoryID" from trade."Territories"
           where "TerritoryID" >= '${id}' limit 2 on conflict do nothing`,
        `update trade."Region" set "RegionDescription" = ${literal(strangeText(random))} where "RegionID" = ${random.int(1, 10)}`,
      ];
    },
  },
  {
    name: "trade: small tables",
    weight: 2,
    statements: (random) => [
      random.pick([
        `insert into trade."Categories" ("CategoryID", "CategoryName") values (${random.int(1, 60)}, 'New')
           on conflict ("CategoryID") do update set "Picture" = null, "Description" = ${literal(strangeText(random))}`,
        `update trade."Suppliers" set "Networks" = "Networks" || cidr '10.${random.int(0, 255)}.0.0/16'
           where "SupplierID" = ${random.int(1, 300)} and cardinality("Networks") < 20`,
        `update trade."Shippers" set "Days" = int4range(1, ${random.int(1, 99)}, '(]'), "Cut-off" = '24:00-03'
           where "ShipperID" = ${random.int(1, 20)}`,
        `delete from trade."Suppliers" where "SupplierID" = ${random.int(1, 300)}`,
      ]),
    ],
  },
  {
    name: "trade: keys of a domain",
    weight: 1,
    statements: (random) => [
      `insert into trade.batch_code values (to_hex(${newNumber(random)}), B'101', B'11110000')`,
      `delete from trade.batch_code where code = to_hex(${random.int(1, 400)})`,
    ],
  },
  {
    name: "trade: the same key in other letters",
    weight: 1,
    statements: (random) => {
      const type = literal(`type ${random.int(1, 50)}`);
      const cased = random.pick(["upper", "lower", "initcap"]);
      return [
        `update trade."CustomerDemographics" set "CustomerTypeID" = ${cased}("CustomerTypeID"::text), "CustomerDesc" = '${cased}'
           where "CustomerTypeID" = ${type}`,
      ];
    },
  },
  {
    name: "trade: copy customers",
    weight: 2,
    statements: (random) => {
      const rows = Array.from({ length: random.int(1, 15) }, () => [
        `~${random.int(0, 1_679_615).toString(36)}`.slice(0, 5),
        strangeText(random),
        random.chance(0.5) ? null : "(1) 234",
        "-1234.56",
      ]);
      return [
        { copy: 'trade."Customers" ("CustomerID", "CompanyName", "Phone", "Credit")', rows: copyRows(distinct(rows)) },
      ];
    },
  },
  {
    name: "trade: insert, change and delete in one transaction",
    weight: 2,
    statements: (random) => {
      const id = newNumber(random) % 30_000;
      return [
        `delete from trade."Employees" where "EmployeeID" = ${id} and "EmployeeID" > 300`,
        `insert into trade."Employees" ("EmployeeID", "LastName", "FirstName", "ReportsTo", "Skills")
           values (${id + 301}, 'New', 'One', 1, '[0:1][1:1]={{a},{b}}'::text[])`,
        `update trade."Employees" set "Photo" = '\\x00' where "EmployeeID" = ${id + 301}`,
        `delete from trade."Employees" where "EmployeeID" = ${id + 301}`,
        ...(random.chance(0.5)
          ? [
              `insert into trade."Employees" ("EmployeeID", "LastName", "FirstName") values (${id + 301}, 'Again', 'One')`,
            ]
          : []),
      ];
    },
  },
];

/** Without rows whose key another row has. */
function distinct<T>(rows: readonly (readonly [T, ...unknown[]] | readonly T[])[]): T[][] {
  return [...new Map(rows.map((row) => [row[0], [...row] as T[]])).values()];
}
