using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary><c>terminate-process</c>: ends what is at work for a server, in an orderly way.</summary>
sealed class TerminateProcessCommand : SessionCommand
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _task = new("TASK") { Description = "receive-wal, backup, cron or gc" };

    public TerminateProcessCommand()
        : base("terminate-process", "End a process that is at work for a server; cron starts another receiver.")
    {
        Choice.Restrict(_task, "receive-wal", "backup", "cron", "gc");
        Add(_server);
        Add(_task);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.Read(parse.GetValue(_server)!).Name;
        var duty = Duty.Of(session.Locations, server).Single(d => d.Name == parse.GetValue(_task));
        if (duty.FindProcess() is not { } pid)
        {
            throw new BarkeepException(ErrorKind.Failed, $"no {duty.Name} process is running for server '{server}'", $"barman list-processes {server} shows which are");
        }
        await duty.EndAsync(pid, Limit, session.Time, cancellationToken);
        session.Output.Info($"The {duty.Name} process {pid} of server {server} has been terminated");
        return 0;
    }
}
