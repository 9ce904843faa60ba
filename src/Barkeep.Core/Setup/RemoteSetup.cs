using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;

namespace Barkeep.Setup;

/// <summary>
/// The part of a setup that concerns the server: is it one that can be backed up, may the roles do what they must, is there a slot.
/// Each method throws at the first thing that is wrong and says what to do about it.
/// </summary>
public sealed class RemoteSetup(ServerConfig config, TimeProvider time)
{
    /// <summary>How long a WAL sender may linger whose client has just gone.</summary>
    static readonly TimeSpan SlotPatience = TimeSpan.FromSeconds(10);

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>Connects as both roles and looks at everything that a backup needs.</summary>
    /// <returns>What the server is.</returns>
    /// <exception cref="BarkeepException">
    /// ServerUnreachable, AuthenticationFailed, UnsupportedServer, MissingGrant, WalLevelMinimal, NoReplicationPrivilege,
    /// NoFreeWalSender, WrongSystem.
    /// </exception>
    public async Task<SetupReport> CheckAsync(CancellationToken cancellationToken)
    {
        // Privileges first: without them the server's properties cannot be read, and each is named in one go.
        await using var session = await SqlSession.OpenAsync(config, "setup", cancellationToken);
        var missing = await BackupGrants.MissingAsync(session, cancellationToken);
        CheckGrants(missing);

        // Version, build and settings.
        var facts = await ServerFacts.ReadAsync(session, cancellationToken);
        if (facts.WalLevel == "minimal")
        {
            throw new BarkeepException(ErrorKind.WalLevelMinimal, $"server {config.Name}: wal_level is minimal, so its WAL does not suffice for a restore",
                "ALTER SYSTEM SET wal_level = replica, then restart PostgreSQL");
        }
        var senders = await session.ScalarAsync<string>("reading max_wal_senders", "SELECT current_setting('max_wal_senders')", cancellationToken);
        if (senders == "0")
        {
            throw new BarkeepException(ErrorKind.NoFreeWalSender, $"server {config.Name}: max_wal_senders is 0", "ALTER SYSTEM SET max_wal_senders = 10, then restart PostgreSQL");
        }

        // The streaming role, and that both roles see one cluster: a connection pooler or a typing error may be between.
        await using var replication = await ReplicationConnection.ConnectAsync(ConnectionTarget.ForStreaming(config), cancellationToken);
        var identity = await replication.IdentifySystemAsync(cancellationToken);
        return identity.SystemId == facts.SystemId
            ? new(facts, [.. missing.Select(g => g.StatementFor(config.BackupUser))])
            : throw new BarkeepException(ErrorKind.WrongSystem, $"server {config.Name}: user_backup and user_stream reach different clusters, {facts.SystemId} and {identity.SystemId}", "check host and port, and what is between");
    }

    /// <summary>Makes the slot if it is missing, and refuses one that another client uses.</summary>
    /// <param name="isOurs">Whether our own receiver runs, so that an active slot is its.</param>
    /// <exception cref="BarkeepException">SlotInUse; Configuration when it is a logical slot.</exception>
    public async Task<SlotReport> EnsureSlotAsync(bool isOurs, CancellationToken cancellationToken)
    {
        await using var session = await SqlSession.OpenAsync(config, "setup", cancellationToken);
        var slots = await ReplicationSlot.ListAsync(session, cancellationToken);
        for (var start = time.GetTimestamp(); !isOurs && Ours(slots) is { IsActive: true } busy;)
        {
            if (time.GetElapsedTime(start) > SlotPatience)
            {
                throw new BarkeepException(ErrorKind.SlotInUse, $"server {config.Name}: replication slot {busy.Name} is used by {busy.Client ?? "another client"}",
                    "end that client, or choose another slot_name: two receivers on one slot lose each other's WAL");
            }
            await Task.Delay(Pause, time, cancellationToken);
            slots = await ReplicationSlot.ListAsync(session, cancellationToken);
        }
        if (Ours(slots) is { IsPhysical: false } logical)
        {
            throw new BarkeepException(ErrorKind.Configuration, $"server {config.Name}: {logical.Name} is a logical replication slot", "choose another slot_name");
        }
        var created = Ours(slots) is null;
        if (created)
        {
            await using var replication = await ReplicationConnection.ConnectAsync(ConnectionTarget.ForStreaming(config), cancellationToken);
            await replication.CreateSlotAsync(config.SlotName, cancellationToken);
        }
        return new(created, [.. slots.Where(Abandoned)]);
    }

    ReplicationSlot? Ours(IReadOnlyList<ReplicationSlot> slots) => slots.FirstOrDefault(s => s.Name == config.SlotName);

    // An installation that was thrown away without dropping its slot keeps the server from removing WAL, until its disk is full.
    bool Abandoned(ReplicationSlot slot) =>
        !slot.IsActive && slot.Name != config.SlotName && slot.RestartLsn.IsValid
        && slot.Name.StartsWith(ServerConfig.SlotPrefix(config.Name), StringComparison.Ordinal);

    void CheckGrants(IReadOnlyList<BackupGrants.Grant> missing)
    {
        var needed = missing.Where(static g => g.IsForBackup).Select(g => g.StatementFor(config.BackupUser)).ToList();
        if (needed.Count > 0)
        {
            throw new BarkeepException(ErrorKind.MissingGrant, $"server {config.Name}: role {config.BackupUser} lacks privileges in database {config.Database}",
                $"as a superuser there: {string.Join("; ", needed)}");
        }
    }
}
