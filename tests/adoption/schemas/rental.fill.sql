-- Rows for rental.sql. Numbers of rows stand between two at signs.
insert into country (country) select 'Country ' || i from generate_series(1, @country@) i;
insert into city (city, country_id) select 'City ' || i, 1 + i % @country@ from generate_series(1, @city@) i;
insert into address (address, address2, district, city_id, postal_code, phone, location)
  select i || ' Main Street', case when i % 3 = 0 then '' when i % 3 = 1 then 'Apt. ' || i end, 'District ' || i % 99,
    1 + i % @city@, lpad((i % 99999)::text, 5, '0'), '+49 40 ' || i, point(i % 180, -(i % 90) / 7.0)
  from generate_series(1, @address@) i;
insert into language (name) select 'Language ' || i from generate_series(1, @language@) i;
insert into actor (first_name, last_name) select 'First ' || i, 'O''Last ' || i % 977 from generate_series(1, @actor@) i;
insert into category (name, parent_id)
  select 'Category ' || i, case when i > 3 then 1 + i % 3 end from generate_series(1, @category@) i;
insert into film (title, description, release_year, language_id, original_language_id, rental_duration, rental_rate,
    length, replacement_cost, rating, special_features)
  select 'Film ' || i, case when i % 9 > 0 then 'A story of ' || i || ' dogs and "cats" \ in Baku' end, 1950 + i % 70,
    1 + i % @language@, case when i % 5 = 0 then 1 + (i + 1) % @language@ end, 1 + i % 7, (i % 700) / 100.0, 40 + i % 160,
    9.99 + i % 20, (enum_range(null::mpaa_rating))[1 + i % 5], case i % 3 when 0 then null when 1 then '{}'
    else array['Trailers', null, 'Deleted "Scenes"'] end
  from generate_series(1, @film@) i;
insert into film_actor (actor_id, film_id) select distinct 1 + i * 7 % @actor@, 1 + i % @film@
  from generate_series(1, @film_actor@) i;
insert into film_category select i, 1 + i % @category@ from generate_series(1, @film@) i;
insert into store (manager_staff_id, address_id) select i, i from generate_series(1, @store@) i;
insert into staff (first_name, last_name, address_id, email, store_id, reports_to, username, picture)
  select 'Staff', 'Number ' || i, 1 + i % @address@, 'Staff.' || i || '@Example.org', 1 + i % @store@,
    case when i > 5 then 1 + i % 5 end, 'staff' || i, case when i % 4 = 0 then sha256(i::text::bytea) end
  from generate_series(1, @staff@) i;
insert into customer (store_id, first_name, last_name, email, address_id, activebool, create_date, balance)
  select 1 + i % @store@, 'Customer', 'Nº ' || i, 'C' || i || '@example.org', 1 + i % @address@, i % 11 > 0,
    date '2020-01-01' + i % 2000, (i % 5000) / 3.0 - 200
  from generate_series(1, @customer@) i;
insert into inventory (film_id, store_id) select 1 + i % @film@, 1 + i % @store@ from generate_series(1, @inventory@) i;
insert into rental (inventory_id, customer_id, staff_id, rental_period)
  select 1 + i % @inventory@, 1 + i % @customer@, case when i % 6 > 0 then 1 + i % @staff@ end,
    tstzrange(start, case when i % 50 > 0 then start + interval '5 hours' end, '[)')
  from generate_series(1, @rental@) i,
    lateral (select timestamptz '2025-01-01' + (i / @inventory@) * interval '1 day' + i % 7 * interval '1 hour') s (start)
  on conflict do nothing;
insert into payment (customer_id, staff_id, rental_id, amount, payment_date)
  select 1 + i % @customer@, 1 + i % @staff@, i, (i % 1200) / 100.0,
    timestamptz '2025-12-20' + i % 100 * interval '1 day' + i * interval '1 millisecond'
  from generate_series(1, @payment@) i;
insert into screening
  select 1 + i % @store@, 2024 + i / @store@ / 3360, 1 + i / @store@ / 280 % 12, 1 + i / @store@ / 10 % 28,
    time '10:00' + i / @store@ % 10 * interval '1 hour', 1 + i % @film@, array[i % 9, null, i]
  from generate_series(1, @screening@) i;
refresh materialized view rentals_by_film;
