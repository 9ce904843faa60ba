using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Hooks;
using Barkeep.Repo;
using Barkeep.Restores;

namespace Barkeep.Cli.Shared;

/// <summary>Runs the scripts before and after a restore. That the server's configuration cannot be read is no obstacle to one: it warns that none run.</summary>
sealed class RecoveryHooks(Session session, RestoreOptions options)
{
    const string Subject = "recovery";

    public async Task<RestoreResult> RunAsync(Func<Task<RestoreResult>> restore, CancellationToken cancellationToken)
    {
        if (FindHooks() is not { } hooks)
        {
            return await restore();
        }
        var variables = await DescribeAsync(hooks, await RestoreJob.PlanAsync(options, cancellationToken), cancellationToken);
        await hooks.BeforeAsync(Subject, variables, cancellationToken);
        try
        {
            var result = await restore();
            await hooks.AfterAsync(Subject, variables, null, cancellationToken);
            return result;
        }
        catch (BarkeepException e) when (e.Kind != ErrorKind.Interrupted)
        {
            await hooks.AfterAsync(Subject, variables, e.Message, cancellationToken);
            throw;
        }
    }

    HookScripts? FindHooks()
    {
        try
        {
            return session.HooksOf(session.Config.Read(options.Server)) is var hooks && hooks.Has(Subject) ? hooks : null;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.UnknownServer)
        {
            // It has no configuration, so nobody expects any.
            return null;
        }
        catch (BarkeepException e)
        {
            session.Output.Warning($"no scripts run before and after this restore, whether there are any or not: {e.Line}");
            return null;
        }
    }

    async Task<Dictionary<string, string>> DescribeAsync(HookScripts hooks, RestorePlan plan, CancellationToken cancellationToken)
    {
        var (lineage, backup) = await (await session.OpenRepositoryAsync(options.Server, cancellationToken)).TryFindAsync(plan.Backup, cancellationToken)
            ?? throw new BarkeepException(ErrorKind.UnknownBackup, $"unknown backup '{plan.Backup}'", "barman list-backup shows those that exist");
        var variables = await HookVariables.OfBackupAsync(lineage, plan.Backup, hooks.Repository, backup.State == BackupState.Done ? "DONE" : "WAITING_FOR_WALS", cancellationToken);
        variables["BARMAN_DESTINATION_DIRECTORY"] = plan.Target;
        variables["BARMAN_REMOTE_COMMAND"] = "";
        variables["BARMAN_TABLESPACES"] = JsonText.Of(Map(options.Tablespaces));
        variables["BARMAN_RECOVER_OPTIONS"] = JsonText.Of(new JsonObject
        {
            ["delta"] = options.IsDelta,
            ["jobs"] = options.Jobs,
            ["owner"] = options.Owner,
            ["target_tli"] = options.Timeline.ToString(),
            ["target"] = options.Until?.ToString(),
        });
        return variables;
    }

    static JsonObject Map(IReadOnlyDictionary<string, string> values)
    {
        var map = new JsonObject();
        foreach (var (key, value) in values)
        {
            map[key] = value;
        }
        return map;
    }
}
