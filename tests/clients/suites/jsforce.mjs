// jsforce: sign-in, queries, describes, single records, upsert, collections, Bulk 2.0 and Bulk 1.0.
import { readFileSync } from 'node:fs';
import { equal, failure, flat, holds, need, org, plain, rows, step } from './checks.mjs';

const jsforce = need('jsforce');
const west = org('WEST');
const east = org('EAST');
const version = '62.0';
const accounts = rows('accounts');
const names = Object.keys(accounts[0]);
const read = new jsforce.Connection({ instanceUrl: west.url, accessToken: west.token, version });
const write = new jsforce.Connection({ instanceUrl: east.url, accessToken: east.token, version });
write.bulk2.pollInterval = 50;
read.bulk2.pollInterval = 50;

await step('sign-in', async () => {
  const oauth2 = { loginUrl: east.url, clientId: 'east-suite-key', clientSecret: 'east-suite-secret' };
  const server = new jsforce.Connection({ oauth2, version });
  const user = await server.authorize({ grant_type: 'client_credentials' });
  const [ed] = await east.query("SELECT Id FROM User WHERE Username = 'ed@east.example'");
  equal('client credentials: the user of the identity URL', user.id, ed.Id);
  equal('client credentials: the org of the identity URL', user.organizationId.slice(0, 15), '00D7d000000EasT');
  equal('client credentials: the instance URL', server.instanceUrl, east.url);
  const identity = await server.identity();
  equal('identity', [identity.username, identity.user_id, identity.active], ['ed@east.example', ed.Id, true]);
  equal('client credentials: a query', (await server.query('SELECT Id FROM Account')).totalSize, 0);
  await server.logout();
  const old = new jsforce.Connection({ instanceUrl: east.url, accessToken: 'gone', version });
  equal('a wrong token', (await failure(() => old.query('SELECT Id FROM Account'))).errorCode, 'INVALID_SESSION_ID');
  const wrong = new jsforce.Connection({ oauth2: { ...oauth2, clientSecret: 'wrong' }, version });
  const error = await failure(() => wrong.authorize({ grant_type: 'client_credentials' }));
  equal('a wrong secret', [error.name, error.message], ['invalid_client', 'invalid client credentials']);
  // A token that the org no longer takes makes jsforce fetch another and send the request again.
  let refreshes = 0;
  const fresh = new jsforce.Connection({
    instanceUrl: east.url,
    accessToken: 'outdated',
    version,
    refreshFn: (_, done) => {
      refreshes += 1;
      done(null, east.token);
    },
  });
  equal('a refreshed token: the answer', (await fresh.query('SELECT Id FROM Account')).totalSize, 0);
  equal('a refreshed token: once', refreshes, 1);
});

await step('sign-in of people', async () => {
  const [ed] = await east.query("SELECT Id FROM User WHERE Username = 'ed@east.example'");
  const app = { loginUrl: east.url, clientId: 'east-people-key', clientSecret: 'east-people-secret' };
  const redirectUri = 'http://127.0.0.1:1/done';
  // The authorization code flow with PKCE; the org file lets the login page answer at once.
  const oauth2 = new jsforce.OAuth2({ ...app, redirectUri, useVerifier: true });
  const page = oauth2.getAuthorizationUrl({ scope: 'api refresh_token', state: 'a b' });
  const answer = await fetch(page, { redirect: 'manual' });
  const back = new URL(answer.headers.get('location'));
  equal('authorization code: where the browser goes', [answer.status, back.origin + back.pathname, back.searchParams.get('state')], [
    302,
    redirectUri,
    'a b',
  ]);
  const person = new jsforce.Connection({ oauth2, version });
  const user = await person.authorize(back.searchParams.get('code'));
  equal('authorization code: the user', user.id, ed.Id);
  equal('authorization code: a query', (await person.query('SELECT Id FROM User')).totalSize > 0, true);
  const again = await failure(() => person.authorize(back.searchParams.get('code')));
  equal('authorization code: used twice', again.name, 'invalid_grant');
  // The token is revoked behind its back: jsforce fetches another with its refresh token.
  const old = person.accessToken;
  await oauth2.revokeToken(old);
  equal('refresh token: the answer', (await person.query('SELECT Id FROM Account')).totalSize, 0);
  holds('refresh token: another token', person.accessToken !== old);
  const byPassword = new jsforce.Connection({ oauth2: app, version });
  const named = await byPassword.login('ed@east.example', 'Riverside#1' + 'Tok3nOfEd');
  equal('username and password', named.id, ed.Id);
  const wrong = await failure(() => byPassword.login('ed@east.example', 'no'));
  equal('a wrong password', wrong.name, 'invalid_grant');
  const { sign } = need('jsonwebtoken');
  const key = readFileSync(`${process.env.ORGS}/suite.key`);
  const claims = { iss: 'east-people-key', sub: 'ed@east.example', aud: east.url };
  const assertion = sign(claims, key, { algorithm: 'RS256', expiresIn: 120 });
  const server = new jsforce.Connection({ oauth2: app, version });
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
  equal('JWT bearer', (await server.authorize(grant)).id, ed.Id);
});

await step('queries', async () => {
  const first = await read.query('SELECT Id FROM Lead');
  equal('a page of a query', [first.totalSize, first.records.length, first.done], [450, 200, false]);
  const next = await read.queryMore(first.nextRecordsUrl);
  equal('the next page', [next.totalSize, next.records.length, next.done], [450, 200, false]);
  const soql = 'SELECT Id, Legacy_Id__c, Company, Description FROM Lead ORDER BY Legacy_Id__c';
  const fetched = [];
  const query = read.query(soql);
  query.on('record', (record) => fetched.push(plain(record)));
  await query.run({ autoFetch: true, maxFetch: 10000 });
  equal('autoFetch: every record once', fetched, await west.query(soql));
  equal('autoFetch: their number', fetched.length, 450);
  const some = [];
  const limited = read.query(soql).on('record', (record) => some.push(record));
  await limited.run({ autoFetch: true, maxFetch: 250 });
  equal('autoFetch stops at maxFetch', some.length, 250);
  const found = await read.query(`SELECT ${names.join(', ')} FROM Account ORDER BY Legacy_Id__c`);
  equal('awkward values and parents', found.records.map((r) => flat(r, names)), accounts);
  const built = await read
    .sobject('Contact')
    .find({ 'Account.Legacy_Id__c': 'A-1', LastName: "O'Brien" }, 'Id, FirstName, Account.Name')
    .limit(5);
  equal('find() with a quote in it', built.map((r) => [r.FirstName, r.Account.Name]), [
    ['Zoë', 'Quote "Q" O\'Neil, Ltd.'],
  ]);
  const nested = await read
    .sobject('Account')
    .select('Legacy_Id__c')
    .include('Contacts')
    .select('Legacy_Id__c')
    .orderby('Legacy_Id__c')
    .end()
    .where("Legacy_Id__c IN ('A-1', 'A-5')")
    .orderby('Legacy_Id__c');
  equal(
    'a child sub-query',
    nested.map((r) => [r.Legacy_Id__c, r.Contacts?.records.map((c) => c.Legacy_Id__c) ?? null]),
    [
      ['A-1', ['C-1', 'C-2']],
      ['A-5', null],
    ],
  );
  equal('count()', await read.sobject('Lead').count({ Legacy_Id__c: { $like: 'L-0000%' } }), 9);
  const group = await read.query('SELECT AccountId, COUNT(Id) n FROM Contact GROUP BY AccountId HAVING COUNT(Id) > 1');
  equal('an aggregate', group.records.map((r) => [r.attributes.type, r.n]), [['AggregateResult', 2]]);
  let error = await failure(() => read.query('SELECT Id, Nothing__c FROM Account'));
  equal('an unknown field', [error.errorCode, error.name], ['INVALID_FIELD', 'INVALID_FIELD']);
  holds('an unknown field: its place', error.message.includes('ERROR at Row:1:Column:12'), error.message);
  error = await failure(() => read.query('SELECT Id FROM'));
  equal('broken SOQL', error.errorCode, 'MALFORMED_QUERY');
  holds('limitInfo is kept', read.limitInfo.apiUsage?.limit > 0, JSON.stringify(read.limitInfo));
});

await step('describes', async () => {
  const all = await read.describeGlobal();
  const lead = all.sobjects.find((s) => s.name === 'Lead');
  equal('describeGlobal', [lead.keyPrefix, lead.queryable, lead.custom], ['00Q', true, false]);
  equal('describeGlobal: its limits', [all.encoding, all.maxBatchSize], ['UTF-8', 200]);
  const account = await read.sobject('Account').describe();
  const field = (name) => account.fields.find((f) => f.name === name);
  const { type, externalId, unique, idLookup, length } = field('Legacy_Id__c');
  equal(
    'describe: an external id',
    { type, externalId, unique, idLookup, length },
    { type: 'string', externalId: true, unique: true, idLookup: true, length: 40 },
  );
  equal('describe: a number', [field('Score__c').type, field('Score__c').precision, field('Score__c').scale], [
    'double',
    18,
    2,
  ]);
  equal('describe: a lookup', [field('ParentId').referenceTo, field('ParentId').relationshipName], [
    ['Account'],
    'Parent',
  ]);
  holds('describe: child relationships', account.childRelationships.some((c) => c.relationshipName === 'Contacts'));
  const error = await failure(() => read.sobject('Nothing__c').describe());
  equal('describe of nothing', error.errorCode, 'NOT_FOUND');
  const versions = await read.request('/services/data');
  holds('versions', versions.some((v) => v.version === version && v.url === `/services/data/v${version}`));
  const limits = await read.limits();
  holds('limits', limits.DailyApiRequests.Max > 0 && limits.DailyApiRequests.Remaining > 0);
});

await step('single records', async () => {
  const made = await write.sobject('Account').create({
    Name: 'Single "one"\nline',
    Legacy_Id__c: 'J-1',
    Score__c: 0.25,
    Description: '😀 a\tb',
  });
  equal('create', [made.success, made.errors, /^001[0-9A-Za-z]{15}$/.test(made.id)], [true, [], true]);
  const back = await write.sobject('Account').retrieve(made.id);
  equal('retrieve', [back.Id, back.Score__c, back.Description, back.Industry], [made.id, 0.25, '😀 a\tb', null]);
  const again = await write.sobject('Account').update({ Id: made.id, Description: null, Industry: 'Energy' });
  equal('update', [again.success, again.id], [true, made.id]);
  equal('what update left', await east.query(`SELECT Description, Industry, Score__c FROM Account WHERE Id = '${made.id}'`), [
    { Description: null, Industry: 'Energy', Score__c: 0.25 },
  ]);
  const by = await write.sobject('Account').upsert({ Legacy_Id__c: 'J-1', Name: 'Renamed' }, 'Legacy_Id__c');
  equal('upsert that finds', [by.success, by.id, by.created], [true, made.id, false]);
  const fresh = await write.sobject('Account').upsert({ Legacy_Id__c: 'J-2 é', Name: 'New' }, 'Legacy_Id__c');
  equal('upsert that creates', [fresh.success, fresh.created], [true, true]);
  const child = await write.sobject('Contact').create({ LastName: 'By key', Account: { Legacy_Id__c: 'J-2 é' } });
  equal('a parent by its key', await east.query(`SELECT AccountId FROM Contact WHERE Id = '${child.id}'`), [
    { AccountId: fresh.id },
  ]);
  let error = await failure(() => write.sobject('Contact').create({ LastName: 'Refused' }));
  equal('a validation rule', [error.errorCode, error.message, error.data?.fields ?? error.fields], [
    'FIELD_CUSTOM_VALIDATION_EXCEPTION',
    'Nobody is called "Refused", not here',
    ['LastName'],
  ]);
  error = await failure(() => write.sobject('Account').create({ Name: 'Twice', Legacy_Id__c: 'J-1' }));
  equal('a duplicate key', error.errorCode, 'DUPLICATE_VALUE');
  error = await failure(() => write.sobject('Account').create({ Legacy_Id__c: 'J-9' }));
  equal('a missing name', error.errorCode, 'REQUIRED_FIELD_MISSING');
  const gone = await write.sobject('Contact').destroy(child.id);
  equal('destroy', [gone.success, gone.id], [true, child.id]);
  error = await failure(() => write.sobject('Contact').destroy(child.id));
  equal('destroy twice', error.errorCode, 'ENTITY_IS_DELETED');
  const bin = await write.query(`SELECT Id, IsDeleted FROM Contact WHERE Id = '${child.id}'`, { scanAll: true });
  equal('queryAll sees it', bin.records.map((r) => r.IsDeleted), [true]);
});

await step('collections', async () => {
  // jsforce cuts 450 records into calls of 200.
  const many = Array.from({ length: 450 }, (_, i) => ({
    Name: `Many "${i}"`,
    Legacy_Id__c: `M-${String(i).padStart(3, '0')}`,
    Score__c: i / 4,
  }));
  many[7].Name = null;
  many[201].Legacy_Id__c = 'M-200';
  const made = await write.sobject('Account').create(many, { allowRecursive: true });
  equal('create: an answer a row', [made.length, made.filter((r) => r.success).length], [450, 448]);
  equal('create: the refused rows', made.flatMap((r, i) => (r.success ? [] : [[i, r.errors[0].statusCode]])), [
    [7, 'REQUIRED_FIELD_MISSING'],
    [201, 'DUPLICATE_VALUE'],
  ]);
  const held = await east.query("SELECT Id, Legacy_Id__c, Score__c FROM Account WHERE Legacy_Id__c LIKE 'M-%' ORDER BY Legacy_Id__c");
  const kept = many.map((r, i) => [made[i].id, r.Legacy_Id__c, r.Score__c]).filter((_, i) => made[i].success);
  equal('create: what the org holds', held.map((r) => [r.Id, r.Legacy_Id__c, r.Score__c]), kept);
  const back = await write.sobject('Account').retrieve(held.slice(0, 3).map((r) => r.Id));
  equal('retrieve', back.map((r) => r.Legacy_Id__c), ['M-000', 'M-001', 'M-002']);
  const changed = await write.sobject('Account').update(
    held.slice(0, 205).map((r) => ({ Id: r.Id, Industry: 'Media' })),
    { allowRecursive: true },
  );
  holds('update', changed.length === 205 && changed.every((r) => r.success));
  equal('update: what the org holds', (await east.query("SELECT Id FROM Account WHERE Industry = 'Media'")).length, 205);
  const whole = await write.sobject('Account').create([{ Name: 'W1', Legacy_Id__c: 'W-1' }, { Legacy_Id__c: 'W-2' }], {
    allOrNone: true,
  });
  equal('allOrNone', whole.map((r) => [r.success, r.errors[0].statusCode]), [
    [false, 'ALL_OR_NONE_OPERATION_ROLLED_BACK'],
    [false, 'REQUIRED_FIELD_MISSING'],
  ]);
  const upserted = await write
    .sobject('Account')
    .upsert([{ Legacy_Id__c: 'M-000', Phone: '1' }, { Legacy_Id__c: 'U-1', Name: 'Up' }, { Legacy_Id__c: 'U-2' }], 'Legacy_Id__c');
  equal('upsert', upserted.map((r) => [r.success, r.created ?? null, r.errors.map((e) => e.statusCode)]), [
    [true, false, []],
    [true, true, []],
    [false, false, ['REQUIRED_FIELD_MISSING']],
  ]);
  const gone = await write.sobject('Account').destroy(
    held.map((r) => r.Id),
    { allowRecursive: true },
  );
  holds('destroy', gone.length === 448 && gone.every((r) => r.success));
  equal('destroy: what is left', await east.query("SELECT Id FROM Account WHERE Legacy_Id__c LIKE 'M-%'"), []);
});

await step('Bulk 2.0', async () => {
  const input = rows('accounts').map((row) => {
    const { 'Parent.Legacy_Id__c': parent, ...rest } = row;
    return rest;
  });
  const first = await write.bulk2.loadAndWaitForResults({
    object: 'Account',
    operation: 'upsert',
    externalIdFieldName: 'Legacy_Id__c',
    input,
  });
  equal('upsert: the results', [
    first.successfulResults.length,
    first.failedResults.length,
    first.unprocessedRecords.length,
  ], [8, 0, 0]);
  holds('upsert: all created', first.successfulResults.every((r) => r.sf__Created === 'true'));
  const parents = await write.bulk2.loadAndWaitForResults({
    object: 'Account',
    operation: 'upsert',
    externalIdFieldName: 'Legacy_Id__c',
    input: accounts
      .filter((r) => r['Parent.Legacy_Id__c'])
      .map((r) => ({ Legacy_Id__c: r.Legacy_Id__c, 'Parent.Legacy_Id__c': r['Parent.Legacy_Id__c'] })),
  });
  equal('upsert of parents by key', [parents.successfulResults.length, parents.failedResults.length], [5, 0]);
  const held = await east.query(`SELECT ${names.join(', ')} FROM Account WHERE Legacy_Id__c LIKE 'A-%' ORDER BY Legacy_Id__c`);
  equal('upsert: what the org holds', held.map((r) => flat(r, names)), accounts);
  const mixed = await write.bulk2.loadAndWaitForResults({
    object: 'Contact',
    operation: 'insert',
    input: [{ LastName: 'Good', FirstName: 'a,"b"\nc' }, { LastName: 'Refused' }, { LastName: '' }],
  });
  equal('insert: the good row', mixed.successfulResults.map((r) => [r.LastName, r.FirstName]), [['Good', 'a,"b"\nc']]);
  equal('insert: the refused rows', mixed.failedResults.map((r) => r.sf__Error.split(':')[0]).sort(), [
    'FIELD_CUSTOM_VALIDATION_EXCEPTION',
    'REQUIRED_FIELD_MISSING',
  ]);
  const stream = await read.bulk2.query('SELECT Id, Legacy_Id__c, Company, Description, AnnualRevenue FROM Lead');
  const leads = (await stream.toArray()).sort((a, b) => (a.Legacy_Id__c < b.Legacy_Id__c ? -1 : 1));
  const wanted = await west.query('SELECT Id, Legacy_Id__c, Company, Description, AnnualRevenue FROM Lead ORDER BY Legacy_Id__c');
  const text = (v) => (v === null ? '' : String(v));
  equal('query: every record', leads.map((r) => [r.Id, r.Company, r.Description, Number(r.AnnualRevenue)]), 
    wanted.map((r) => [r.Id, text(r.Company), text(r.Description), r.AnnualRevenue]));
  const failed = await failure(() => read.bulk2.query('SELECT Id, Nothing__c FROM Lead'));
  holds('query of an unknown field', /INVALIDJOB|INVALID_FIELD|No such column/.test(failed.message + failed.errorCode), failed.message);
  const job = write.bulk2.createJob({ object: 'Account', operation: 'delete' });
  await job.open();
  const { id } = job;
  await job.uploadData((await east.query("SELECT Id FROM Account WHERE Legacy_Id__c LIKE 'A-%'")));
  await job.close();
  await job.poll();
  const info = await job.check();
  equal('delete: the job', [info.id, info.state, info.numberRecordsProcessed, info.numberRecordsFailed], [
    id,
    'JobComplete',
    8,
    0,
  ]);
  equal('delete: what is left', await east.query("SELECT Id FROM Account WHERE Legacy_Id__c LIKE 'A-%'"), []);
  const open = write.bulk2.createJob({ object: 'Account', operation: 'insert' });
  await open.open();
  await open.abort();
  equal('abort', (await open.check()).state, 'Aborted');
  await open.delete();
});

await step('Bulk 1.0', async () => {
  write.bulk.pollInterval = 100;
  read.bulk.pollInterval = 100;
  const answer = await write.bulk.load('Account', 'upsert', { extIdField: 'Legacy_Id__c' }, [
    { Legacy_Id__c: 'B-1', Name: 'Bulk, "one"', Description: 'a\n"b", ç', Score__c: '1.5' },
    { Legacy_Id__c: 'B-2', Name: '' },
  ]);
  equal('upsert', answer.map((r) => [r.success, r.errors.length > 0]), [
    [true, false],
    [false, true],
  ]);
  holds('upsert: the refusal', String(answer[1].errors[0]).startsWith('REQUIRED_FIELD_MISSING'), answer[1].errors);
  equal('upsert: what the org holds', await east.query("SELECT Name, Description, Score__c FROM Account WHERE Legacy_Id__c LIKE 'B-%'"), [
    { Name: 'Bulk, "one"', Description: 'a\n"b", ç', Score__c: 1.5 },
  ]);
  const stream = await read.bulk.query('SELECT Id, Legacy_Id__c FROM Lead');
  const found = await stream.toArray();
  equal(
    'query',
    found.map((r) => r.Legacy_Id__c).sort(),
    (await west.query('SELECT Legacy_Id__c FROM Lead ORDER BY Legacy_Id__c')).map((r) => r.Legacy_Id__c),
  );
});

await step('composite requests', async () => {
  const answer = await write.requestPost(`/services/data/v${version}/composite`, {
    allOrNone: true,
    compositeRequest: [
      { method: 'POST', url: `/services/data/v${version}/sobjects/Account`, referenceId: 'a', body: { Name: 'Composite' } },
      {
        method: 'POST',
        url: `/services/data/v${version}/sobjects/Contact`,
        referenceId: 'c',
        body: { LastName: 'Child', AccountId: '@{a.id}' },
      },
    ],
  });
  equal('composite', answer.compositeResponse.map((r) => [r.referenceId, r.httpStatusCode]), [
    ['a', 201],
    ['c', 201],
  ]);
  equal('composite: what the org holds', await east.query("SELECT Account.Name FROM Contact WHERE LastName = 'Child'"), [
    { Account: { Name: 'Composite' } },
  ]);
});

await step('tooling', async () => {
  const found = await read.tooling.query("SELECT QualifiedApiName, Label FROM EntityDefinition WHERE QualifiedApiName = 'Account'");
  equal('a tooling query', found.records.map((r) => [r.QualifiedApiName, r.Label]), [['Account', 'Account']]);
});
