/** Writes of the film rental business. */
import { copyRows, literal, newNumber, type Operation, someKey, strangeText } from "./operation.ts";

export const rentalOperations: readonly Operation[] = [
  {
    name: "rental: rent a film and pay",
    weight: 8,
    statements: (random, { inventory, customer }) => [
      `insert into rental (inventory_id, customer_id, staff_id, rental_period) values
         (${someKey(random, "inventory", "inventory_id", inventory!)}, ${someKey(random, "customer", "customer_id", customer!)},
          ${random.int(1, 5)}, tstzrange(timestamptz '2026-02-01' + ${random.int(0, 5_000_000)} * interval '1 second', null))
       on conflict do nothing`,
      `insert into payment (customer_id, staff_id, rental_id, amount, payment_date) values
         (${someKey(random, "customer", "customer_id", customer!)}, 1, lastval(), ${random.int(0, 999)} / 100.0,
          timestamptz '2025-12-25' + ${random.int(0, 9_000_000)} * interval '1.000001 seconds')`,
    ],
  },
  {
    name: "rental: return films",
    weight: 5,
    statements: (random, { rental }) => {
      const first = random.int(1, rental!);
      return [
        `update rental set rental_period = tstzrange(lower(rental_period), lower(rental_period) + interval '4 hours')
         where rental_id between ${first} and ${first + 15} and upper_inf(rental_period)`,
      ];
    },
  },
  {
    name: "rental: change many balances",
    weight: 4,
    statements: (random, { customer }) => {
      const first = random.int(1, customer!);
      return [
        `update customer set balance = balance - ${random.int(-500, 500)} / 100.0, last_name = last_name || ''
         where customer_id between ${first} and ${first + random.int(0, 100)}`,
      ];
    },
  },
  {
    name: "rental: change films under the owner's triggers",
    weight: 4,
    statements: (random, { film }) => {
      const first = random.int(1, film!);
      return [
        `update film set description = ${literal(strangeText(random))}, length = ${random.int(60, 180)},
           special_features = array[${literal(strangeText(random))}, null], rental_rate = ${random.int(0, 9999)} / 100.0
         where film_id between ${first} and ${first + random.int(0, 10)}`,
      ];
    },
  },
  {
    name: "rental: a new film with actors, part of it taken back",
    weight: 3,
    statements: (random, { actor }) => [
      `insert into film (title, release_year, language_id, rating)
         values (${literal(`New ${strangeText(random)}`)}, ${random.int(1901, 2155)}, 1, 'NC-17')`,
      "savepoint actors",
      `insert into film_actor (actor_id, film_id)
         select actor_id, currval('film_film_id_seq') from actor where actor_id >= ${random.int(1, actor!)} limit 3`,
      `update film set title = 'must not be seen' where film_id = currval('film_film_id_seq')`,
      "rollback to savepoint actors",
      `insert into film_category values (currval('film_film_id_seq'), ${random.int(1, 3)}) on conflict do nothing`,
      `update film set title = title || '!' where film_id = currval('film_film_id_seq')`,
    ],
  },
  {
    name: "rental: delete a film with all that refers to it",
    weight: 1,
    statements: (random, { film }) => [`delete from film where film_id = ${someKey(random, "film", "film_id", film!)}`],
  },
  {
    name: "rental: delete customers with rentals and payments",
    weight: 1,
    statements: (random, { customer }) => {
      const first = random.int(1, customer!);
      return [`delete from customer where customer_id between ${first} and ${first + random.int(0, 3)}`];
    },
  },
  {
    name: "rental: upsert actors of a film",
    weight: 4,
    statements: (random, { actor, film }) => [
      `insert into film_actor (actor_id, film_id)
         select actor_id, ${someKey(random, "film", "film_id", film!)} from actor
         where actor_id between ${random.int(1, actor!)} and ${actor!} limit 4
       on conflict (actor_id, film_id) do update set last_update = clock_timestamp()`,
    ],
  },
  {
    name: "rental: move payments to another month",
    weight: 3,
    statements: (random, { payment }) => {
      const first = random.int(1, payment!);
      return [
        `update payment set payment_date = payment_date + ${random.pick([-62, -31, 31, 62])} * interval '1 day'
         where payment_id between ${first} and ${first + random.int(0, 8)}`,
      ];
    },
  },
  {
    name: "rental: delete payments",
    weight: 1,
    statements: (random, { payment }) => {
      const first = random.int(1, payment!);
      return [`delete from payment where payment_id between ${first} and ${first + random.int(0, 5)}`];
    },
  },
  {
    name: "rental: postpone screenings, which changes their keys",
    weight: 3,
    statements: (random) => [
      `update screening set slot = slot + interval '1 minute' * ${random.int(1, 59)}, seats = seats || ${random.int(1, 9)}
       where store_id = ${random.int(1, 20)} and year = 2024 and month = ${random.int(1, 12)} and day = ${random.int(1, 28)}`,
    ],
  },
  {
    name: "rental: merge cities",
    weight: 2,
    statements: (random) => {
      const [known, fresh, dropped] = [random.int(1, 600), newNumber(random), newNumber(random)];
      return [
        `merge into city using (values (${known}, 'Merged'), (${fresh}, ${literal(strangeText(random))}),
           (${dropped}, 'Dropped')) v (id, name) on city_id = v.id
         when matched and v.name = 'Dropped' then delete
         when matched then update set city = v.name
         when not matched then insert (city_id, city, country_id) values (v.id, v.name, 1)`,
        `merge into city using (values (${dropped})) v (id) on city_id = v.id when matched then delete`,
      ];
    },
  },
  {
    name: "rental: copy customers",
    weight: 2,
    statements: (random) => {
      const rows = Array.from({ length: random.int(1, 20) }, () => [
        random.int(1, 20),
        strangeText(random),
        strangeText(random),
        random.chance(0.02) ? null : `c${newNumber(random)}@Example.org`,
        random.int(1, 400),
        random.int(-9_999, 9_999) / 100,
      ]);
      const columns = "store_id, first_name, last_name, email, address_id, balance";
      return [{ copy: `customer (${columns})`, rows: copyRows(rows) }];
    },
  },
  {
    name: "rental: open a store with its manager, and close it",
    weight: 1,
    statements: (random) => [
      `insert into store (manager_staff_id, address_id, opens) values (1, ${random.int(1, 400)}, '24:00')`,
      `insert into staff (first_name, last_name, address_id, email, store_id, reports_to, username)
         values ('New', 'Manager', 1, ${literal(`M${newNumber(random)}@example.org`)}, currval('store_store_id_seq'), 1, 'm')`,
      `update store set manager_staff_id = currval('staff_staff_id_seq') where store_id = currval('store_store_id_seq')`,
      ...(random.chance(0.5)
        ? [
            `update staff set store_id = 1 where staff_id = currval('staff_staff_id_seq')`,
            `delete from store where store_id = currval('store_store_id_seq')`,
            `delete from staff where staff_id = currval('staff_staff_id_seq')`,
          ]
        : []),
    ],
  },
  {
    name: "rental: a category with children loses its parent",
    weight: 1,
    statements: (random) => {
      const id = newNumber(random);
      return [
        `insert into category (category_id, name) values (${id}, 'Parent')`,
        `insert into category (category_id, name, parent_id) values (${id + 1}, 'Child', ${id}), (${id + 2}, 'Child', ${id})`,
        `delete from category where category_id = ${id}`,
      ];
    },
  },
  {
    name: "rental: change the key of a country",
    weight: 1,
    statements: (random) => {
      const id = random.int(1, 100);
      return [
        `update country set country_id = country_id + ${random.pick([1_000, -1_000])}
         where country_id in (${id}, ${id + 1_000})`,
      ];
    },
  },
  {
    name: "rental: update without a change",
    weight: 2,
    statements: (random) => [`update address set phone = phone where address_id between ${random.int(1, 390)} and 400`],
  },
  {
    name: "rental: locations and padded names",
    weight: 1,
    statements: (random) => [
      `update address set location = point(${random.int(-180, 180)} / 3.0, 'NaN'), address2 = null
       where address_id = ${random.int(1, 400)}`,
      `update language set name = ${literal(`L ${newNumber(random)}`)} where language_id = ${random.int(1, 6)}`,
    ],
  },
  {
    name: "rental: actors, some of whom leave their films",
    weight: 2,
    statements: (random, { actor }) => {
      const first = random.int(1, actor!);
      return [
        `update actor set first_name = ${literal(strangeText(random))} where actor_id between ${first} and ${first + 20}`,
        `delete from actor where actor_id = ${first} and actor_id % 10 = 0`,
      ];
    },
  },
  {
    name: "rental: insert and roll back",
    weight: 1,
    statements: (random) => [
      `insert into actor (first_name, last_name) values (${literal(strangeText(random))}, 'Nobody')`,
      "update actor set last_name = 'Rolled back' where actor_id between 1 and 5",
      "rollback",
    ],
  },
];
