CREATE SCHEMA "library";
--> statement-breakpoint
CREATE TYPE "library"."loan_state" AS ENUM('open', 'returned', 'lost');--> statement-breakpoint
CREATE TABLE "library"."books" (
	"isbn" text PRIMARY KEY NOT NULL,
	"title" text NOT NULL,
	"pages" integer,
	"copies" bigint DEFAULT 1 NOT NULL,
	"published" date
);
--> statement-breakpoint
CREATE TABLE "library"."loans" (
	"member_id" uuid NOT NULL,
	"isbn" text NOT NULL,
	"lent_on" date NOT NULL,
	"state" "library"."loan_state" DEFAULT 'open' NOT NULL,
	CONSTRAINT "loans_member_id_isbn_lent_on_pk" PRIMARY KEY("member_id","isbn","lent_on")
);
--> statement-breakpoint
CREATE TABLE "library"."members" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"email" varchar(200) NOT NULL,
	"name" text,
	"fee" numeric(10, 2) DEFAULT '0.00' NOT NULL,
	"preferences" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"tags" text[] DEFAULT '{}' NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "library"."loans" ADD CONSTRAINT "loans_member_id_members_id_fk" FOREIGN KEY ("member_id") REFERENCES "library"."members"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "library"."loans" ADD CONSTRAINT "loans_isbn_books_isbn_fk" FOREIGN KEY ("isbn") REFERENCES "library"."books"("isbn") ON DELETE no action ON UPDATE cascade;--> statement-breakpoint
CREATE INDEX "loans_isbn_index" ON "library"."loans" USING btree ("isbn");--> statement-breakpoint
CREATE UNIQUE INDEX "members_email" ON "library"."members" USING btree (lower("email"));