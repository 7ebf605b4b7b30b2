/** The least that a server in Deno can be, for measuring the program by: `deno run --allow-net scripts/bench/hello.ts PORT`. */
Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.args[0]), onListen() {} }, () => new Response("hello\n"));
