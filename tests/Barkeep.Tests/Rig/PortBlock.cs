namespace Barkeep.Tests.Rig;

/// <summary>
/// A silent network: packets to and from a loopback port are dropped, so that connections neither work nor end.
/// The rules are removed when disposed.
/// </summary>
public sealed class PortBlock : IAsyncDisposable
{
    static readonly Lock ListLock = new();

    readonly IReadOnlyList<string> _rules;

    PortBlock(IReadOnlyList<string> rules) => _rules = rules;

    public static async Task<PortBlock> DropAsync(int port)
    {
        string[] rules = [$"INPUT -i lo -p tcp --dport {port} -j DROP", $"INPUT -i lo -p tcp --sport {port} -j DROP"];
        lock (ListLock)
        {
            File.AppendAllLines(RigRoot.RuleList(RigRoot.Run), rules);
        }
        foreach (var rule in rules)
        {
            (await Command.RunAsync("iptables", ["--wait", "-I", .. rule.Split(' ')])).Checked();
        }
        return new(rules);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var rule in _rules)
        {
            (await Command.RunAsync("iptables", ["--wait", "-D", .. rule.Split(' ')])).Checked();
        }
    }
}
