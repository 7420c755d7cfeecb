// What the JavaScript suites share: a line a check, and plain REST reads of an org, without any client.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isDeepStrictEqual, inspect } from 'node:util';

export const need = createRequire(process.env.NODE_PACKAGES + '/');
const API = '/services/data/v62.0';

export function report(name, why) {
  if (why === undefined) console.log(`ok ${name}`);
  else console.log(`not ok ${name}: ${String(why).replace(/\s+/g, ' ').slice(0, 700)}`);
}

export function equal(name, got, wanted) {
  if (isDeepStrictEqual(got, wanted)) return report(name);
  if (Array.isArray(got) && Array.isArray(wanted) && got.length === wanted.length) {
    const at = got.findIndex((item, i) => !isDeepStrictEqual(item, wanted[i]));
    return report(name, `item ${at} is ${inspect(got[at])}, wanted ${inspect(wanted[at])}`);
  }
  report(name, `got ${inspect(got)}, wanted ${inspect(wanted)}`);
}

export const holds = (name, condition, why = 'it does not hold') => report(name, condition ? undefined : why);

/** A part that may break without ending the suite. */
export async function step(name, part) {
  try {
    await part();
  } catch (error) {
    console.error(error);
    report(name, error?.message ?? error);
  }
}

/** The error that a part must end with. */
export async function failure(part) {
  try {
    await part();
  } catch (error) {
    return error;
  }
  throw new Error('no error came');
}

export const org = (name) => ({
  url: process.env[`${name}_URL`],
  token: process.env[`${name}_TOKEN`],
  async get(path) {
    const answer = await fetch(this.url + path, { headers: { Authorization: `Bearer ${this.token}` } });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return answer.json();
  },
  async query(soql) {
    let page = await this.get(`${API}/query?q=${encodeURIComponent(soql)}`);
    const records = page.records;
    while (!page.done) {
      page = await this.get(page.nextRecordsUrl);
      records.push(...page.records);
    }
    return records.map(plain);
  },
});

/** A record without its attributes. */
export function plain(record) {
  if (record === null || typeof record !== 'object') return record;
  const { attributes, ...rest } = record;
  return Object.fromEntries(Object.entries(rest).map(([k, v]) => [k, Array.isArray(v) ? v : plain(v)]));
}

const types = {
  Score__c: Number,
  NumberOfEmployees: Number,
  Opted_Out__c: (text) => text === 'true',
};

/** The records of a CSV file of the orgs, with null for empty and the types that JSON answers have. */
export function rows(name) {
  const { parse } = need('csv-parse/sync');
  return parse(readFileSync(`${process.env.ORGS}/${name}.csv`), { columns: true }).map((row) =>
    Object.fromEntries(Object.entries(row).map(([k, v]) => [k, v === '' ? null : (types[k] ?? String)(v)])),
  );
}

/** A record with its parents' values as `Account.Legacy_Id__c`. */
export function flat(record, names) {
  const dig = (path) => path.split('.').reduce((at, word) => (at === null ? null : at[word]), record);
  return Object.fromEntries(names.map((name) => [name, dig(name)]));
}
