// Checks the Prometheus operator's kinds against its own definitions; a JSON array of objects comes on standard input.
import { readFileSync } from "node:fs";
import * as kinds from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const name = `${object.kind}/${object.metadata?.name}`;
  try {
    new kinds[object.kind](object).validate();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAULT ${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
