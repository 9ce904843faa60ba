using Barkeep.Cli;
using Barkeep.Common;

var programName = ProgramName.OfThisProcess();
if (WalRestoreShortcut.TryRun(programName, args) || Suggestions.TryRun(programName, args))
{
    return 0;
}
using var termination = new Termination();
var invocation = Invocation.Parse(programName, args);
try
{
    return await invocation.RunAsync(termination.Token);
}
catch (OperationCanceledException) when (termination.Token.IsCancellationRequested)
{
    return invocation.Fail(new BarkeepException(ErrorKind.Interrupted, "interrupted"), termination.ExitCode);
}
catch (BarkeepException e)
{
    return invocation.Fail(e, e.Kind == ErrorKind.Interrupted ? termination.ExitCode : invocation.ExitCodeOf(e.Kind));
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException)
{
    var failure = Errno.From(e, programName);
    return invocation.Fail(failure, invocation.ExitCodeOf(failure.Kind));
}
catch (Exception e)
{
    return invocation.Fail(new BarkeepException(ErrorKind.Failed, $"{e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}", "--debug shows where", e), invocation.ExitCodeOf(ErrorKind.Failed));
}
