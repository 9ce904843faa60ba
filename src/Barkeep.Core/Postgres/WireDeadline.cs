namespace Barkeep.Postgres;

/// <summary>A token that ends with the caller's or after a time, and knows which it was.</summary>
sealed class WireDeadline : IDisposable
{
    readonly CancellationTokenSource _source;
    readonly TimeSpan _timeout;
    readonly CancellationToken _caller;

    public WireDeadline(TimeSpan timeout, CancellationToken caller)
    {
        _timeout = timeout;
        _caller = caller;
        _source = CancellationTokenSource.CreateLinkedTokenSource(caller);
        _source.CancelAfter(timeout);
    }

    public CancellationToken Token => _source.Token;

    /// <summary>Whether the time is up and the caller still waits.</summary>
    public bool Passed => _source.IsCancellationRequested && !_caller.IsCancellationRequested;

    /// <summary>Gives the whole time again, from now on.</summary>
    public void Renew() => _source.CancelAfter(_timeout);

    public void Dispose() => _source.Dispose();
}
