using Barkeep.Common;
using Barkeep.Configuration;
using Microsoft.Extensions.Logging;

namespace Barkeep.Hooks;

/// <summary>
/// Runs the scripts that a user has configured to run before and after something happens to a server's backups or WAL. The plain ones run once, and how they end
/// is only reported. The retrying ones run until they end with 0 or 62, or 63: then what they precede does not happen. One that hangs is killed, reported,
/// and not run again.
/// </summary>
public sealed class HookScripts(ServerConfig config, Locations locations, ILogger logger, TimeProvider time)
{
    const int AbortContinue = 62;
    const int AbortStop = 63;

    /// <summary>What is removed one after the other, by the thousand, while others wait: one script that hangs is enough, whoever runs it.</summary>
    static readonly string[] Removals = ["delete", "wal_delete"];

    static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    readonly ScriptRunner _runner = new(config.HookTimeout, logger);
    readonly HashSet<string> _hung = [];
    TimeSpan _patience = TimeSpan.MaxValue;

    /// <summary>
    /// How long the retrying scripts may be waited for between their runs, all of them together: then each runs once, and what one that fails precedes
    /// does not happen. Nor does what a script precedes that has hung, and was killed, once before; of removals never. For who runs again by himself, and holds a lock meanwhile. Without end unless set.
    /// </summary>
    public TimeSpan Patience
    {
        init => _patience = value;
    }

    /// <summary>Whether something was left for a later run because a script hangs.</summary>
    public bool HasHung => _hung.Count > 0;

    /// <summary>The server's repository directory.</summary>
    public string Repository => locations.RepositoryDirectory(config.Name);

    /// <summary>Whether anything is to be run about a subject: backup, archive, delete, wal_delete, recovery.</summary>
    public bool Has(string subject) =>
        config.Hooks.Count > 0 && HookKeys.All.Any(k => config.Hooks.ContainsKey(k) && (k == HookKeys.Of(HookKeys.Before, subject, false) || k == HookKeys.Of(HookKeys.Before, subject, true)
            || k == HookKeys.Of(HookKeys.After, subject, false) || k == HookKeys.Of(HookKeys.After, subject, true)));

    /// <summary>Runs what comes before: the plain script, then the retrying one.</summary>
    /// <exception cref="BarkeepException">Failed: the retrying one does not want it to happen, or goes on failing; or one about the same subject has hung.</exception>
    public async Task BeforeAsync(string subject, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        if (_hung.Contains(subject))
        {
            throw new BarkeepException(ErrorKind.Failed, $"a {subject} script of server {config.Name} hangs, and is not run once more now", "its output is in the log");
        }
        await RunAsync(HookKeys.Before, subject, retries: false, variables, null, cancellationToken);
        var code = await RunAsync(HookKeys.Before, subject, retries: true, variables, null, cancellationToken);
        if (code is not (null or 0 or AbortContinue))
        {
            var what = code == AbortStop ? "has asked to stop" : "goes on failing";
            throw new BarkeepException(ErrorKind.Failed, $"{HookKeys.Of(HookKeys.Before, subject, true)} of server {config.Name} {what} (exit code {code})", "its output is in the log");
        }
    }

    /// <summary>As <see cref="BeforeAsync"/>.</summary>
    /// <returns>Why it is not to happen; null when it may.</returns>
    public async Task<string?> TryBeforeAsync(string subject, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        try
        {
            await BeforeAsync(subject, variables, cancellationToken);
            return null;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Failed)
        {
            return e.Message;
        }
    }

    /// <summary>Runs what comes after: the retrying script, then the plain one. How they end changes nothing any more.</summary>
    /// <param name="error">What went wrong; null when nothing did.</param>
    public async Task AfterAsync(string subject, IReadOnlyDictionary<string, string> variables, string? error, CancellationToken cancellationToken)
    {
        switch (await RunAsync(HookKeys.After, subject, retries: true, variables, error, cancellationToken))
        {
            case null or 0 or AbortContinue:
                break;
            case AbortStop:
                logger.LogWarning("{Hook} of server {Server} has asked to stop (exit code 63) what has happened already", HookKeys.Of(HookKeys.After, subject, true), config.Name);
                break;
            default:
                logger.LogWarning("{Hook} of server {Server} goes on failing and is not run again", HookKeys.Of(HookKeys.After, subject, true), config.Name);
                break;
        }
        await RunAsync(HookKeys.After, subject, retries: false, variables, error, cancellationToken);
    }

    // Returns its exit code; null when there is none, or it was killed.
    async Task<int?> RunAsync(string phase, string subject, bool retries, IReadOnlyDictionary<string, string> variables, string? error, CancellationToken cancellationToken)
    {
        var key = HookKeys.Of(phase, subject, retries);
        if (!config.Hooks.TryGetValue(key, out var script))
        {
            return null;
        }
        var environment = new Dictionary<string, string>(variables)
        {
            ["BARMAN_SERVER"] = config.Name.ToString(),
            ["BARMAN_CONFIGURATION"] = locations.ConfigFile(config.Name),
            ["BARMAN_HOOK"] = $"{subject}{(retries ? "_retry" : "")}_script",
            ["BARMAN_PHASE"] = phase,
            ["BARMAN_RETRY"] = retries ? "1" : "0",
            ["BARMAN_ERROR"] = error ?? "",
            ["BARMAN_VERSION"] = ProgramVersion.Number,
        };
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            var code = await _runner.RunAsync($"{key} of server {config.Name}", script, environment, cancellationToken);
            if (code is null && (_patience < TimeSpan.MaxValue || Removals.Contains(subject)))
            {
                _hung.Add(subject);
            }
            if (!retries || code is null or 0 or AbortContinue or AbortStop || pause > _patience)
            {
                return code;
            }
            _patience -= pause;
            await Task.Delay(pause, time, cancellationToken);
        }
    }
}
