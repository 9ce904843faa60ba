using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Received;
using Barkeep.Repo;

namespace Barkeep.Health;

/// <summary>Looks at a server, its receiver and its repository. What cannot be seen of a server or a repository is a fact too, not an exception.</summary>
public sealed class HealthProbe(ServerConfig config, Locations locations, TimeProvider time)
{
    /// <summary>Gathers everything.</summary>
    /// <exception cref="BarkeepException">NewerRepository: a newer program receives. Storage: who has a lock, or what a receiver has said, cannot be asked.</exception>
    public async Task<HealthFacts> GatherAsync(CancellationToken cancellationToken)
    {
        var facts = ObserveReceiver(new() { Config = config, Now = time.GetUtcNow() });
        facts = await ObserveRepositoryAsync(facts, cancellationToken);
        facts = await ObserveServerAsync(facts, cancellationToken);
        // A receiver that streams is the best proof that the streaming role can; a second connection might find no free WAL sender.
        return ReceiverVerdict.IsStreaming(facts) || facts.ServerFailure?.Kind == ErrorKind.ServerUnreachable
            ? facts
            : await ObserveStreamingAsync(facts, cancellationToken);
    }

    HealthFacts ObserveReceiver(HealthFacts facts) => facts with
    {
        ReceiverRuns = DutyLock.IsHeld(locations.ReceiverLock(config.Name)),
        Receiver = ReceiverState.TryRead(locations.ReceiverStateFile(config.Name)),
        BackupRuns = DutyLock.IsHeld(locations.BackupLock(config.Name)),
    };

    async Task<HealthFacts> ObserveRepositoryAsync(HealthFacts facts, CancellationToken cancellationToken)
    {
        try
        {
            var repository = await Repository.OpenAsync(locations.RepositoryDirectory(config.Name), cancellationToken);
            if (repository.Current is not { } lineage)
            {
                return facts with { RepositoryFailure = new(ErrorKind.NotSetUp, "it is empty", "run setup-barman") };
            }
            var hurt = await HurtPacks.ReadAsync(lineage, cancellationToken);
            facts = facts with
            {
                Known = lineage.Identity,
                Backups = await lineage.Backups.ListAsync(cancellationToken),
                Conflicts = await lineage.Wal.ListConflictsAsync(cancellationToken),
                DamagedPacks = hurt.Packs,
            };
            facts = facts with { HurtBackups = await hurt.FindBackupsAsync(facts.Backups.Where(static b => b.State == BackupState.Done).Select(static b => b.Id), cancellationToken) };
            var spool = WalSpool.Of(lineage, config.Name, locations);
            var received = await ReceivedWal.ListAsync(lineage.Wal, spool, cancellationToken);
            facts = facts with
            {
                WalBytes = received.Stored.Sum(static s => s.StoredLength),
                Coverage = await WalCoverage.OfAsync(hurt, received, facts.Backups, facts.Receiver?.Of(lineage.Identity), facts.ReceiverRuns, cancellationToken),
                RepositoryFailure = received.Notes is [var note, ..] ? new(ErrorKind.Damaged, note) : null,
            };
            TryWrite(locations.ServerDirectory(config.Name));
            TryLocks();
            return facts;
        }
        catch (BarkeepException e)
        {
            return facts with { RepositoryFailure = e };
        }
    }

    async Task<HealthFacts> ObserveServerAsync(HealthFacts facts, CancellationToken cancellationToken)
    {
        try
        {
            await using var session = await SqlSession.OpenAsync(config, "check", cancellationToken);
            return facts with { Server = await ServerObservation.ReadAsync(session, cancellationToken) };
        }
        catch (BarkeepException e)
        {
            return facts with { ServerFailure = e };
        }
    }

    async Task<HealthFacts> ObserveStreamingAsync(HealthFacts facts, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await ReplicationConnection.ConnectAsync(ConnectionTarget.ForStreaming(config), cancellationToken);
            _ = await connection.IdentifySystemAsync(cancellationToken);
            return facts;
        }
        catch (BarkeepException e)
        {
            return facts with { StreamingFailure = e };
        }
    }

    // One that another user has left keeps what it is for from being done.
    void TryLocks()
    {
        foreach (var file in locations.LockFiles(config.Name).Where(File.Exists))
        {
            try
            {
                File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite).Dispose();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw Errno.From(e, $"opening lock file {file}");
            }
        }
    }

    // Permissions, a read-only filesystem and a full disk show only when something is written.
    static void TryWrite(string directory)
    {
        var probe = Path.Combine(directory, $".check.{Environment.ProcessId}");
        try
        {
            File.WriteAllBytes(probe, new byte[4096]);
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"writing {probe}");
        }
    }
}
