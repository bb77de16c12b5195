/* A limit rather than a peer: runs the graph as often as a request says, so that HTTP costs nothing per run. */
import { createServer } from 'node:http';
// Of the gateway, since its install script would download CUDA libraries.
import { InferenceSession, Tensor } from 'onnxruntime-node';

const session = await InferenceSession.create(process.env.MODEL_FILE, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const inputs = new Map(session.inputMetadata.map((input) => [input.name, input]));
const car = { company: 'Ford', year: 2014, km_driven: 90_024 };

const server = createServer(async ({ url }, response) => {
  const parameters = new URL(url, 'http://localhost').searchParams;
  const rows = Number(parameters.get('rows'));
  const feeds = Object.fromEntries(
    [...inputs].map(([name, { type }]) => [name, new Tensor(type, column(name, type, rows), [rows, 1])]),
  );
  let prices;
  for (let run = 0; run < Number(parameters.get('runs') ?? 1); run++)
    ({ [session.outputNames[0]]: prices } = await session.run(feeds));
  response.end(JSON.stringify([...prices.data]));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));

function column(name, type, rows) {
  return type === 'string'
    ? Array.from({ length: rows }, () => car[name] ?? '')
    : Float32Array.from({ length: rows }, () => car[name] ?? Number.NaN);
}
