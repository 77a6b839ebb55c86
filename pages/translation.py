"""How does a Transformer translate, token by token?"""

from app import explanations, panels, sidebar, state
from app.progress import progress_bar

panels.question(explanations.TRANSLATION_QUESTION)
with panels.guarded():
    from app import translation_controls

    translation_controls.text_row()
with panels.guarded(), progress_bar("Translating") as tell:
    # Late, since it takes seconds the first time.
    from app import engine
    from app.translation_panel import translation_panel
    from app.translation_pictures import Translation
    from model.catalog import TRANSLATORS

    translations = []
    for name in engine.translators(state.selection()):
        selection = engine.translation_selection(state.selection(), name)
        loaded = sidebar.loaded_model(selection)
        translations.append(Translation(TRANSLATORS[name], loaded, engine.run(selection, loaded, tell).generation))
with panels.guarded():
    for translation in translations:
        steps = translation.generation.steps
        translation_controls.doubts(translation.generation.trace.tokens["encoder"], [step.token for step in steps])
    translation_panel(translations)
