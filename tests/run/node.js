// Node's file API on the directory argv[2]: synchronous, promises, callbacks, streams, watching, worker threads, child
// processes. Prints what is to be the same on any file system; argv[3] is the worker's part.
'use strict';
const fs = require('fs'), fsp = fs.promises, path = require('path'), cp = require('child_process');
const { Worker, isMainThread, workerData } = require('worker_threads');
const { pipeline } = require('stream/promises'), zlib = require('zlib'), readline = require('readline'), crypto = require('crypto');

const say = (...words) => console.log(...words);
const sum = (data) => crypto.createHash('md5').update(data).digest('hex');
const error = (f) => { try { f(); return 'none'; } catch (e) { return e.code; } };
const error_of = (p) => p.then(() => 'none', (e) => e.code);
const pseudo = (n, seed) => { // bytes
	const b = Buffer.alloc(n);
	for (let i = 0, x = seed; i < n; i++) b[i] = (x = (x * 1103515245 + 12345) & 0x7fffffff) >> 16;
	return b;
};
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function sync() {
	fs.mkdirSync('s/a/b/c', { recursive: true });
	fs.writeFileSync('s/f', pseudo(100000, 1));
	fs.appendFileSync('s/f', 'tail');
	say(sum(fs.readFileSync('s/f')), fs.statSync('s/f').size);
	const fd = fs.openSync('s/f', 'r+');
	fs.writeSync(fd, Buffer.from('middle'), 0, 6, 50000);
	fs.writevSync(fd, [Buffer.from('one'), Buffer.from('two')], 10);
	const got = [Buffer.alloc(3), Buffer.alloc(3)];
	say(fs.readvSync(fd, got, 10), String(got[0]), String(got[1]));
	fs.ftruncateSync(fd, 60000); fs.fsyncSync(fd); fs.fdatasyncSync(fd); fs.fchmodSync(fd, 0o640);
	fs.futimesSync(fd, 1000, 2000);
	const st = fs.fstatSync(fd);
	say(st.size, (st.mode & 0o7777).toString(8), st.atimeMs, st.mtimeMs, st.nlink, st.isFile());
	fs.closeSync(fd);
	say(error(() => fs.closeSync(fd)), error(() => fs.readFileSync('s')), error(() => fs.openSync('s/f', 'wx')),
		error(() => fs.readdirSync('s/f')), error(() => fs.rmdirSync('s')), error(() => fs.statSync('s/none')));
	fs.copyFileSync('s/f', 's/copy'); fs.copyFileSync('s/f', 's/clone', fs.constants.COPYFILE_FICLONE);
	say(error(() => fs.copyFileSync('s/f', 's/copy', fs.constants.COPYFILE_EXCL)), sum(fs.readFileSync('s/copy')),
		sum(fs.readFileSync('s/clone')));
	fs.symlinkSync('a/b', 's/link'); fs.linkSync('s/copy', 's/hard'); fs.renameSync('s/clone', 's/a/moved');
	say(fs.readlinkSync('s/link'), fs.lstatSync('s/link').isSymbolicLink(), fs.statSync('s/hard').nlink,
		path.relative(process.cwd(), fs.realpathSync('s/link/c')), path.relative(process.cwd(), fs.realpathSync.native('s/link/c')));
	fs.cpSync('s/a', 's/tree', { recursive: true });
	say(fs.readdirSync('s', { recursive: true }).sort().join(' '));
	say(fs.readdirSync('s', { withFileTypes: true }).map((e) => `${e.name}${e.isDirectory() ? '/' : ''}`).sort().join(' '));
	const dir = fs.opendirSync('s'); let n = 0;
	while (dir.readSync()) n++;
	dir.closeSync();
	say(n, path.basename(fs.mkdtempSync('s/tmp-')).length, fs.existsSync('s/hard'), error(() => fs.accessSync('s/f', fs.constants.X_OK)));
	fs.utimesSync('s/f', 5, 6); fs.lutimesSync('s/link', 7, 8); fs.truncateSync('s/f', 3);
	say(fs.lstatSync('s/link').mtimeMs, fs.statSync('s/f', { bigint: true }).size, fs.readFileSync('s/f', 'latin1').length);
	say(fs.statfsSync('s').bsize > 0);
	fs.rmSync('s/tree', { recursive: true }); fs.unlinkSync('s/hard');
	say(fs.readdirSync('s').length - 1);
}

async function promises() {
	await fsp.mkdir('p');
	await Promise.all(Array.from({ length: 200 }, (_, i) => fsp.writeFile(`p/${i}`, `${i}\n`.repeat(i + 1))));
	const all = await Promise.all((await fsp.readdir('p')).map(async (n) => (await fsp.readFile(`p/${n}`)).length));
	say(all.length, all.reduce((a, b) => a + b));
	const h = await fsp.open('p/0', 'a+');
	await h.appendFile('more'); await h.write('x'); await h.sync(); await h.chmod(0o600);
	say((await h.stat()).size, String((await h.read(Buffer.alloc(9), 0, 9, 0)).buffer).replace(/\0/g, ''));
	await h.close();
	const many = await fsp.open('p/many', 'w+');
	await Promise.all(Array.from({ length: 64 }, (_, i) => many.write(pseudo(4096, i), 0, 4096, i * 4096)));
	say(sum(await many.readFile()), sum(await fsp.readFile('p/many')));
	await many.close();
	let lines = 0;
	for await (const line of (await fsp.open('p/150')).readLines()) lines += line === '150';
	say(lines);
	for await (const e of await fsp.opendir('p')) if (e.name.length === 3) await fsp.rm(`p/${e.name}`);
	say((await fsp.readdir('p')).length, await error_of(fsp.rmdir('p')), await error_of(fsp.access('p/100')), await error_of(fsp.mkdir('p')));
	await fsp.rename('p/many', 'p/moved'); await fsp.cp('p', 'p2', { recursive: true });
	say((await fsp.readdir('p2')).length, sum(await fsp.readFile('p2/moved')));
	await fsp.rm('p2', { recursive: true });
	const stopped = new AbortController(), reading = error_of(fsp.readFile('p/moved', { signal: stopped.signal }));
	stopped.abort();
	say(await reading);
	say(await new Promise((done) => fs.exists('p/moved', done)), await new Promise((done) => fs.readFile('none', (e) => done(e.code))));
}

async function streams() {
	await fsp.mkdir('t');
	await pipeline(async function* () { for (let i = 0; i < 50; i++) yield pseudo(20000, i); }, zlib.createGzip(), fs.createWriteStream('t/z'));
	await pipeline(fs.createReadStream('t/z', { highWaterMark: 1000 }), zlib.createGunzip(), fs.createWriteStream('t/f'));
	say(sum(fs.readFileSync('t/f')), fs.statSync('t/f').size);
	await pipeline(fs.createReadStream('t/f', { start: 1000, end: 500999 }), fs.createWriteStream('t/part', { flags: 'wx', mode: 0o600 }));
	await pipeline(['replaced'], fs.createWriteStream('t/part', { flags: 'r+', start: 100 }));
	await pipeline(['appended'], fs.createWriteStream('t/part', { flags: 'a' }));
	say(sum(fs.readFileSync('t/part')), (fs.statSync('t/part').mode & 0o777).toString(8));
	fs.writeFileSync('t/lines', Array.from({ length: 3000 }, (_, i) => `line ${i}`).join('\n'));
	let n = 0;
	for await (const line of readline.createInterface({ input: fs.createReadStream('t/lines') })) n += line.length;
	say(n);
	const s = fs.createWriteStream('t/corked'); // a vector
	s.cork(); for (let i = 0; i < 100; i++) s.write(`${i},`); s.uncork();
	await new Promise((done) => s.end(done));
	say(sum(fs.readFileSync('t/corked')), await error_of(pipeline(fs.createReadStream('t/none'), fs.createWriteStream('t/out'))));
}

async function until(what) { // five seconds at most
	for (let i = 0; i < 500 && !what(); i++) await pause(10);
	return what();
}

async function watching() {
	await fsp.mkdir('w/sub', { recursive: true });
	const names = new Set(), watcher = fs.watch('w', (type, name) => names.add(`${type} ${name}`));
	fs.writeFileSync('w/made', 'x');
	fs.renameSync('w/made', 'w/moved');
	fs.unlinkSync('w/moved');
	await until(() => names.has('rename moved') && names.has('rename made'));
	cp.execFileSync('sh', ['-c', 'echo more >w/child; rm w/child']);
	await until(() => names.has('rename child'));
	watcher.close();
	say([...names].filter((n) => n.startsWith('rename')).sort().join(', '));
	fs.writeFileSync('w/polled', 'one');
	let seen = 0;
	fs.watchFile('w/polled', { interval: 20 }, (now) => { seen = now.size; });
	await pause(50);
	fs.appendFileSync('w/polled', ' and two');
	say(await until(() => seen === 11));
	fs.unwatchFile('w/polled');
	const changed = new AbortController();
	setTimeout(() => fs.appendFileSync('w/polled', '!'), 20);
	for await (const e of fsp.watch('w/polled', { signal: changed.signal })) { say(e.eventType); break; }
}

async function workers() {
	await fsp.mkdir('k');
	const codes = await Promise.all([0, 1, 2, 3].map((n) => new Promise((done, fail) => {
		new Worker(__filename, { workerData: n }).on('exit', done).on('error', fail);
	})));
	say(codes.join(' '), fs.readdirSync('k').length, fs.readFileSync('k/log', 'latin1').length);
	const records = fs.readFileSync('k/log', 'latin1').trim().split('\n');
	say([0, 1, 2, 3].map((n) => records.filter((r) => r === `worker ${n}`).length).join(' '));
}

function worker(n) {
	for (let i = 0; i < 100; i++) {
		fs.appendFileSync('k/log', `worker ${n}\n`);
		fs.writeFileSync(`k/${n}-${i}`, pseudo(5000, i));
		if (sum(fs.readFileSync(`k/${n}-${i}`)) !== sum(pseudo(5000, i))) throw new Error(`${n}-${i} differs`);
		if (i % 2) fs.unlinkSync(`k/${n}-${i}`);
	}
}

async function children() {
	await fsp.mkdir('c');
	const out = fs.openSync('c/out', 'w');
	fs.writeSync(out, 'before\n');
	say(cp.spawnSync('sh', ['-c', 'echo child; echo err >&2; pwd | tail -c 3'], { cwd: 'c', stdio: ['ignore', out, out] }).status);
	fs.writeSync(out, 'after\n'); fs.closeSync(out);
	say(JSON.stringify(fs.readFileSync('c/out', 'latin1')));
	fs.writeFileSync('c/module.js', 'exports.value = 42; exports.name = require("path").basename(__filename)');
	fs.writeFileSync('c/esm.mjs', 'import fs from "fs"; export default fs.readdirSync(new URL(".", import.meta.url)).length');
	say(require(path.resolve('c/module.js')), (await import(path.resolve('c/esm.mjs'))).default);
	say(String(cp.execFileSync(process.execPath, ['-p', 'require("./module.js").value'], { cwd: 'c' })).trim());
	const forked = cp.fork(path.resolve('c/child.js'.replace('child', (fs.writeFileSync('c/child.js',
		'process.on("message", (m) => { require("fs").writeFileSync("c/message", m); process.send("written"); process.disconnect(); })'), 'child'))));
	forked.send('hello');
	say(await new Promise((done) => forked.on('message', done)), fs.readFileSync('c/message', 'latin1'));
	await new Promise((done) => forked.on('exit', done));
	process.chdir('c');
	say(path.basename(process.cwd()), fs.existsSync('message'), process.umask(0o77).toString(8));
	fs.writeFileSync('masked', '');
	say((fs.statSync('masked').mode & 0o777).toString(8));
	process.chdir('..');
}

async function main() {
	process.umask(0o22);
	process.chdir(process.argv[2]);
	for (const part of [sync, promises, streams, watching, workers, children]) {
		say(`-- ${part.name}`);
		await part();
	}
}

if (isMainThread) main().catch((e) => { say(e); process.exit(1); });
else worker(workerData);
