import { type RabbitProcess, type RabbitServer, startRabbitProgram } from './rabbit-server.js';

/** Several RabbitMQs that are one broker. Any of them may be killed and restarted by itself. */
export class RabbitCluster implements RabbitServer {
  private constructor(readonly members: readonly RabbitProcess[]) {}

  /** Starts them one after the other: each joins the first. */
  static async start(programs: string, size: number): Promise<RabbitCluster> {
    const first = await startRabbitProgram(programs);
    const others: RabbitProcess[] = [];
    while (others.length < size - 1) {
      const other = await startRabbitProgram(programs, first);
      await other.join(first);
      others.push(other);
    }
    return new RabbitCluster([first, ...others]);
  }

  /** Of a member that runs. */
  get url(): string {
    return this.#anyone.url;
  }

  /** Of all members: what AMQP_URL takes. */
  get urls(): string {
    return this.members.map(({ url }) => url).join(',');
  }

  get pid(): number {
    return this.#anyone.pid;
  }

  get running(): boolean {
    return this.members.some(({ running }) => running);
  }

  /** The member that leads a quorum queue of the default virtual host. */
  async leaderOf(queue: string): Promise<RabbitProcess> {
    const members = `ra:members({'%2F_${queue}', node()})`;
    const text = await this.ctl('eval', `{ok, _, {_, Leader}} = ${members}, Leader.`);
    return this.members.find(({ node }) => text.includes(node))!;
  }

  /** How many members hold a quorum queue of the default virtual host. */
  async sizeOf(queue: string): Promise<number> {
    const members = `ra:members({'%2F_${queue}', node()})`;
    return Number(await this.ctl('eval', `{ok, Members, _} = ${members}, length(Members).`));
  }

  ctl(...args: string[]): Promise<string> {
    return this.#anyone.ctl(...args);
  }

  async enable(plugin: string): Promise<void> {
    await Promise.all(this.members.map((member) => member.enable(plugin)));
  }

  async kill(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }

  /** All at once: each waits for those that ended after it. */
  async restart(): Promise<void> {
    await Promise.all(this.members.map((member) => member.restart()));
  }

  /** The first one last: it keeps the name server. */
  async dispose(): Promise<void> {
    for (const member of this.members.toReversed()) await member.dispose();
  }

  get #anyone(): RabbitProcess {
    return this.members.find(({ running }) => running) ?? this.members[0]!;
  }
}
