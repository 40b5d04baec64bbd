// A shop that knows nothing of OpenTelemetry: `GET /order/ID` asks its own `/stock/ID`.
const http = require("node:http");
const express = require("express");

const port = Number(process.argv[2]);
const app = express();

app.get("/order/:number", (request, response) => {
  http.get(`http://127.0.0.1:${port}/stock/${request.params.number}`, (answer) => {
    answer.setEncoding("utf8");
    let text = "";
    answer.on("data", (part) => { text += part; });
    answer.on("end", () => response.json({ordered: Number(request.params.number), ...JSON.parse(text)}));
  });
});

app.get("/stock/:number", (request, response) => response.json({left: 2 * Number(request.params.number)}));

app.listen(port, "127.0.0.1");
